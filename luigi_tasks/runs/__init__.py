"""A run as a whole: its lock, its beginning and end, its journal and record, what is unusual, and who is told."""
