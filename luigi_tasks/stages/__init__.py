"""The stages: one Luigi task a module, on one base that decides what is up to date."""
