"""The front door: create, open and close a workspace. The only place that picks implementations."""
