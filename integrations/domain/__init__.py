"""Rules about values, as pure functions and small classes: no database, no calls."""
