"""The outcome of every record: the ledger, the quarantine of rejected records, and the outcome of their replay."""
