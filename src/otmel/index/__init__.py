"""Every entity encoded once and kept: exact search of the whole graph from memory or disk."""
