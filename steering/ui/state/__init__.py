"""State on the server: settings, drafts, layer profiles, precomputed grids, and the models, vectors and sessions."""
