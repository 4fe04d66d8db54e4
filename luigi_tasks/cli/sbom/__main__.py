"""Prints the bill."""

import json
import sys

from luigi_tasks.cli.sbom.bill import make_bill

json.dump(make_bill(), sys.stdout, indent=1)
sys.stdout.write("\n")
