"""The releases page."""
