"""Dates and times as our readers write them, where Django's formats are those of another country."""
