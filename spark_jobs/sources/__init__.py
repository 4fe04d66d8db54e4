"""Sources: what the export formats of the platforms look like, and what their records become."""
