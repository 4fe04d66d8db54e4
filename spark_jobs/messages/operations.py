"""What a Spark driver can be asked for."""

from spark_jobs.messages.exchange import Operation
from spark_jobs.messages.jobs import CleanRequest, CleanResult, ExtractRequest, ExtractResult

EXTRACT = Operation("extract", ExtractRequest, ExtractResult)
CLEAN = Operation("clean", CleanRequest, CleanResult)
