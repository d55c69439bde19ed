"""The sidebar, its two cards, and the address with the current settings."""
