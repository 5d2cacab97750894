"""The governance page."""
