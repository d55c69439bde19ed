"""Load, isolation, faults and fuzz against the real app; `make soak` runs everything, `make test` the short forms."""
