"""Proof of our files by the tools that they are for; see conftest."""
