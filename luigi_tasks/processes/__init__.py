"""Child processes: started in groups of their own, logged, and ended with their parent; some serve a whole run."""
