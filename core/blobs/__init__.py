"""Content-addressed files: same bytes, same name, stored once."""
