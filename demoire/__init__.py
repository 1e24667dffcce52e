"""Removes moire from photos of screens."""

__version__ = "0.1.0"
