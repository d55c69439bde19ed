"""How components call handlers, and how long work is started, shown and stopped."""
