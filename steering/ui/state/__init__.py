"""What the server keeps: settings, drafts, profiles, precomputed grids, and the workspace of models and sessions."""
