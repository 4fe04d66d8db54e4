"""The bill of materials as a program: `python -m luigi_tasks.cli.sbom` prints it as CycloneDX 1.6, in JSON."""
