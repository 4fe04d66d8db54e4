"""Extraction: bytes of landing files to rows of documents, everything still as text."""
