"""A running s3-envelope: an S3 store, a key service, and Envoy with the filter between them and the client.

`make up`, `make demo` and the integration tests all start it from here:

    with Stack.start(directory, Options(store="s3s-fs")) as stack:
        boto3.client("s3", endpoint_url=stack.http_url, ...)

Several stacks run side by side; each has ports, files and processes of its own, and ends what it started, also
when the process that started it dies.
"""

from .errors import StackError
from .options import Identity, Options
from .stack import Stack

__all__ = ["Identity", "Options", "Stack", "StackError"]
