"""The export: the published marts as Parquet files, for those who read from a lake."""
