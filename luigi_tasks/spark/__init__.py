"""Spark as Luigi sees it: Java, spark-submit, the session of a run, and what its errors mean."""
