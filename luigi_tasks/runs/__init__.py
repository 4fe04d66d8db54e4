"""A run as a whole: its lock, scheduler, signals, journal, record in the warehouse, anomalies and notification."""
