"""How the page looks, from its first paint on."""
