"""Connects components to handlers, and starts, shows and stops long tasks."""
