"""What the pipeline's data has to do with persons: the map of all columns and folders, and what is made from it."""
