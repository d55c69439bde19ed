"""Taking the page away: its texts, the session, the report, and the script."""
