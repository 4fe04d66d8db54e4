"""What every record came to: the ledger, the quarantine of rejected records, and their replay."""
