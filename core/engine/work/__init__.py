"""What worker processes run: thin functions that hand files and records to the capability rooms."""
