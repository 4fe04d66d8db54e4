"""The engine: work spread over Spark tasks, parts written as Parquet, progress and requests."""
