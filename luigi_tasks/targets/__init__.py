"""Where data lies: the landing folder, checkpoints on disk, markers in the warehouse."""
