"""`python -m steering`: everything that the app does, without a browser."""

from steering.cli import main

main()
