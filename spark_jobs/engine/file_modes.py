"""Who may read the files that tasks write: a task sets the umask that the driver hands to all of them.

A worker of a cluster has the umask of the account that started it. The setting is not part of what a job is asked for:
it changes no result.
"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark import SparkContext

SETTING = "spark.socialmart.umask"
"""Spark setting: the permissions that no new file has, in octal."""
VARIABLE = "SOCIALMART_UMASK"
"""Environment variable of Python workers: the same."""
PRIVATE = "077"


def restrict_driver(spark: "SparkContext") -> None:
    """Set this driver's umask, and have it handed to the tasks."""
    umask = spark.getConf().get(SETTING, PRIVATE)
    os.umask(int(umask, 8))
    spark.environment[VARIABLE] = umask


def restrict_task() -> None:
    """Set the umask that the driver handed over; without one, as where no driver is, leave it as it is."""
    if VARIABLE in os.environ:
        os.umask(int(os.environ[VARIABLE], 8))
