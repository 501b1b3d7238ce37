"""English, as read in the Nordic countries."""
