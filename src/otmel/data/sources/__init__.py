"""Entities read from a file one at a time, with their rows counted: JSONL, CSV, Parquet, MIMIC's format, Wikidata."""

from otmel.data.sources.detect import open_source
from otmel.data.sources.records import EntityRow, EntitySource, SourceOptions

__all__ = ["EntityRow", "EntitySource", "SourceOptions", "open_source"]
