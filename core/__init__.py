"""Plimsoll without its window. Nothing below this package imports Qt."""

__version__ = "0.1.0"
