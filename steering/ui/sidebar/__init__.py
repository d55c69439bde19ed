"""The sidebar, its two cards, and the address that opens the page the same way."""
