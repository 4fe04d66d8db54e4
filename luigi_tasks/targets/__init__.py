"""Where data is kept: the landing folder, checkpoints and ledgers on disk, markers in the warehouse."""
