"""The export of the page: texts, session file, report and script."""
