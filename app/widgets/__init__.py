"""Dumb, reusable widgets. They know nothing of core."""
