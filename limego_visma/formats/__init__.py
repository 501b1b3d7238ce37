"""Dates and times as our readers write them, where Django's own forms are another country's."""
