"""Clean, as a program: documents as text to the tables users, posts, comments, rejected and issues.

    spark-submit [options] spark_jobs/clean.py --request FILE --result FILE [--progress FILE]

The request is a CleanRequest, the result a CleanResult (spark_jobs/messages/jobs.py), as JSON at a path or URI.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # a script's own folder is no place to import from
    from spark_jobs.engine.program import run_program
    from spark_jobs.messages.operations import CLEAN

    run_program(CLEAN, "spark_jobs.cleaning.job")
