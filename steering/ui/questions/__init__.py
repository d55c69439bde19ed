"""What the Tune λ and Vote tabs share: which questions, which λ, and how they are put."""
