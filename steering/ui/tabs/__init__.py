"""Layout alone, one module a tab: each builds its components and returns them by name. Nothing here computes."""
