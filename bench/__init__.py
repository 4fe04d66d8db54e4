"""Measures the pipeline against a floor: `make bench`, or `python -m bench --help`."""
