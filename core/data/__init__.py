"""Sources, ingestion, derived tables, snapshots and data sheets."""
