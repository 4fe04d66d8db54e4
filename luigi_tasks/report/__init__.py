"""The report: one HTML page about the published marts."""
