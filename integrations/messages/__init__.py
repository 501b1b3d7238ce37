"""Codes and rows in the reader's words."""
