"""Ingestion: what a source holds becomes one typed Parquet snapshot, or nothing and a list of what is wrong."""

from core.data.paths import resolve_path
from core.data.sources.ingest import ingest

__all__ = ["ingest", "resolve_path"]
