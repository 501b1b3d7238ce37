"""The forms of the sheets on the company card, and what they are made from; the views are in views/."""
