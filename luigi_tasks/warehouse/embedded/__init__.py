"""The embedded PostgreSQL: made on first use from a PyPI wheel, shared by processes, stopped by the last one."""
