"""Child processes: started in groups of their own with what they need of the environment, logged, and ended with their
parent; some serve a whole run."""
