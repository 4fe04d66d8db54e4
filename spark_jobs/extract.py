"""Extract, as a program: landing files to one Parquet row a document, everything still as text.

    spark-submit [options] spark_jobs/extract.py --request FILE --result FILE [--progress FILE]

The request is an ExtractRequest, the result an ExtractResult (spark_jobs/messages/jobs.py), as JSON at a path or URI.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # a script's own folder is no place to import from
    from spark_jobs.engine.program import run_program
    from spark_jobs.messages.operations import EXTRACT

    run_program(EXTRACT, "spark_jobs.extraction.job")
