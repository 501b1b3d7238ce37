"""What the card and the list know of Visma eAccounting, from the database alone."""
