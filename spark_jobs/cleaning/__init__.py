"""Cleaning: rows of documents to the records of each table, by the rules."""
