"""The pages. Each has a ``view`` (widgets) and a ``model`` (asks and changes); they never import each other."""
