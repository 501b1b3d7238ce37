"""What is measured rather than asserted. Nothing imports this; see README.md."""
