"""The look of the page: theme, styles, and what is shown while the page loads."""
