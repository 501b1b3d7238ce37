"""What the sheets on the card show and take: forms and what they are made from; the views are in views/."""
