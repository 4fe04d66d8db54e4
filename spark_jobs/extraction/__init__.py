"""Extraction: the bytes of landing files become rows of documents, every value still as text."""
