"""Demo data: two accounts with people, companies and contacts."""
