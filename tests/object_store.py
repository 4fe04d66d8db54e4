"""A store of objects for tests: moto's server, a mock that answers as Amazon S3 does."""

import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
from moto.server import ThreadedMotoServer

from spark_jobs.storage import ObjectPath, locate

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "key-of-a-test", "AWS_SECRET_ACCESS_KEY": "secret-of-a-test"}


@contextmanager
def object_stores() -> Iterator[ObjectPath]:
    """Serve a store with one bucket, which is what this yields; the environment has the credentials meanwhile."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    before = {name: os.environ.get(name) for name in CREDENTIALS}
    os.environ.update(CREDENTIALS)
    try:
        host, port = server.get_host_and_port()
        bucket = locate(f"s3://lake-{uuid.uuid4().hex[:8]}", f"http://{host}:{port}", "us-east-1")
        boto3.client("s3", endpoint_url=bucket.endpoint, region_name=bucket.region).create_bucket(Bucket=bucket.key)
        yield bucket
    finally:
        server.stop()
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
