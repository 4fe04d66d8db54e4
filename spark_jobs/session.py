"""The Spark session of a run, as a program: one driver that runs the run's jobs one after the other.

    spark-submit [options] spark_jobs/session.py --address SOCKET

Requests come in at the Unix socket SOCKET, whose folder is made for it (see spark_jobs/messages/exchange.py).
"""

import argparse
import sys
from pathlib import Path


def main() -> None:
    from spark_jobs.engine import driver

    driver.end_with_spark_submit()
    parser = argparse.ArgumentParser(prog="session")
    parser.add_argument("--address", required=True, metavar="SOCKET", help="path of a Unix socket, in a new folder")
    address = parser.parse_args().address
    spark, [extract, clean] = driver.start_spark(["spark_jobs.extraction.job", "spark_jobs.cleaning.job"])

    from spark_jobs.messages.exchange import Handler, serve
    from spark_jobs.messages.operations import CLEAN, EXTRACT

    serve(
        address,
        [
            Handler(EXTRACT, lambda request, tell: extract.run(spark, request, tell)),
            Handler(CLEAN, lambda request, tell: clean.run(spark, request, tell)),
        ],
    )
    spark.stop()


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # a script's own folder is no place to import from
    main()
