"""What the company card and the list show about Visma eAccounting, from the database alone."""
