"""The project file ``plimsoll.yaml``: its typed schema, its loader and its JSON Schema."""
