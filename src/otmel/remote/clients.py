"""The clients of stores: pyarrow's own, or any file system of fsspec's; credentials are found by them alone."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from typing import Any, Final

from otmel.errors import ConfigurationError, StorageError
from otmel.remote.faults import SECRETS
from otmel.remote.places import Uri

CONNECT_SECONDS: Final = 10.0
REGION: Final = "us-east-1"
"""Where nobody names one."""
SILENT_SECONDS: Final = 30.0
"""How long a server may say nothing before a request counts as lost."""


def file_system(uri: Uri) -> Any:
    """The file system of an address: pyarrow's own, or any of fsspec's.

    Raises:
        ConfigurationError: nobody knows the scheme.
        StorageError: the package for it is not installed.
    """
    from pyarrow import fs

    if uri.scheme == "s3":
        return _s3()
    if uri.scheme in ("gs", "abfs", "abfss", "hdfs", "viewfs"):
        return fs.FileSystem.from_uri(uri.text)[0]
    import fsspec

    try:
        return fs.PyFileSystem(fs.FSSpecHandler(fsspec.filesystem(uri.scheme)))
    except ImportError as fault:
        raise StorageError(f"the package for it is not installed: {fault}", where=str(uri)) from None
    except ValueError:
        known = "s3, gs, abfs, hdfs, file, and those of fsspec"
        raise ConfigurationError(f"the scheme {uri.scheme!r} is unknown", cure=f"known are {known}") from None


def endpoint() -> str | None:
    """The S3 server to ask, where it is not Amazon's."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None


def region() -> str | None:
    """The region that the environment names."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or None


def _s3() -> Any:
    """One client for all folders: making one costs time, and waits for the requests of the others."""
    own = hashlib.sha256(repr([os.environ.get(name) for name in (*SECRETS, "AWS_PROFILE")]).encode()).hexdigest()
    return _client(endpoint(), region() or (REGION if endpoint() else None), (CONNECT_SECONDS, SILENT_SECONDS), own)


@lru_cache(maxsize=8)
def _client(server: str | None, region: str | None, seconds: tuple[float, float], own: str) -> Any:
    """A client for some server, region and limits; ``own`` changes with the credentials, which it finds for itself."""
    from pyarrow import fs

    return fs.S3FileSystem(
        endpoint_override=server,
        region=region,
        connect_timeout=seconds[0],
        request_timeout=seconds[1],
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1),
        allow_delayed_open=True,
    )
