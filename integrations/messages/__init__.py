"""Codes and rows in the words of the reader."""
