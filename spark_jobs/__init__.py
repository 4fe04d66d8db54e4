"""Spark jobs: documents out of landing files (extract) and clean tables out of documents (clean)."""
