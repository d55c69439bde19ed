"""Shared by the Tune λ and Vote tabs: the form with task, λ and prompt style, and the scorer that is made from it."""
