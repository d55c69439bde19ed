"""The real app with the two bundled models in a real Chromium: what a visitor sees, does and must not suffer."""
