"""The lineage graph: layout, scene, view."""
