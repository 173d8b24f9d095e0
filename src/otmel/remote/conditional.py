"""Writing to S3 on a condition: only where an object holds what is known, or where there is none.

``pyarrow.fs`` cannot say so, thus the one request that makes a commit is signed here (AWS Signature Version 4), with
the credentials that stand in the environment. Where there are none (a profile, a role), or the store is another, the
caller looks first and then writes, under its lease.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass
from datetime import datetime, timezone
from http.client import HTTPException
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

from otmel.remote.clients import REGION, endpoint, region
from otmel.remote.places import Uri

SERVICE: Final = "s3"
SECONDS: Final = 30.0
REFUSED: Final = (409, 412)
"""Statuses of a condition that does not hold (409: of two writers at the same moment)."""


@dataclass(frozen=True)
class Expected:
    """What must stand at an object: its entity tag; ``None``: nothing."""

    tag: str | None


@dataclass(frozen=True)
class Conditional:
    """An object of a bucket.

    Attributes:
        url: its address over HTTP.
        region: of the bucket.
    """

    url: str
    region: str

    def tag(self, before: str) -> Expected | None:
        """The tag of the object as long as its content has this SHA-256, else ``None``. Raises ``OSError``."""
        try:
            data, tag = self._asked("GET", b"", {})
        except FileNotFoundError:
            return None
        return Expected(tag) if tag and hashlib.sha256(data).hexdigest() == before else None

    def put(self, data: bytes, expected: Expected) -> bool:
        """Write where ``expected`` holds, and say whether it did. Raises ``OSError``."""
        condition = {"If-None-Match": "*"} if expected.tag is None else {"If-Match": expected.tag}
        try:
            self._asked("PUT", data, {"Content-Type": "application/octet-stream", **condition})
        except FileExistsError:
            return False
        return True

    def _asked(self, method: str, data: bytes, headers: dict[str, str]) -> tuple[bytes, str | None]:
        own = {**headers, **_signed(method, self.url, data, self.region)}
        request = Request(self.url, data=data if method == "PUT" else None, headers=own, method=method)
        try:
            with urlopen(request, timeout=SECONDS) as answer:
                return answer.read(), answer.headers.get("ETag")
        except HTTPError as fault:
            with fault:
                said = fault.read(2000).decode("utf-8", "replace")
            raise _kind(fault.code)(f"HTTP response code {fault.code}: {said}") from None
        except (URLError, HTTPException) as fault:
            raise OSError(f"the request failed: {fault}") from None


def conditional(uri: Uri, name: str) -> Conditional | None:
    """How to write to an object on a condition; ``None`` where that cannot be done here."""
    if uri.scheme != SERVICE or not all(os.environ.get(f"AWS_{one}") for one in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")):
        return None
    bucket, _, root = uri.key.partition("/")
    key = quote("/".join(part for part in (root, name) if part), safe="/~-._")
    where, server = region() or REGION, endpoint()
    if server:
        return Conditional(f"{server.rstrip('/')}/{bucket}/{key}", where)
    if "." in bucket:  # whose certificate would not fit
        return Conditional(f"https://s3.{where}.amazonaws.com/{bucket}/{key}", where)
    return Conditional(f"https://{bucket}.s3.{where}.amazonaws.com/{key}", where)


def _kind(status: int) -> type[OSError]:
    if status in REFUSED:
        return FileExistsError
    return {404: FileNotFoundError, 401: PermissionError, 403: PermissionError}.get(status, OSError)


def _signed(method: str, url: str, data: bytes, region: str) -> dict[str, str]:
    """The headers that sign a request."""
    parts, now = urlsplit(url), datetime.now(timezone.utc)
    day, moment = now.strftime("%Y%m%d"), now.strftime("%Y%m%dT%H%M%SZ")
    body = hashlib.sha256(data).hexdigest()
    headers = {"host": parts.netloc, "x-amz-content-sha256": body, "x-amz-date": moment}
    if token := os.environ.get("AWS_SESSION_TOKEN"):
        headers["x-amz-security-token"] = token
    names = ";".join(sorted(headers))
    listed = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    asked = f"{method}\n{parts.path}\n\n{listed}\n{names}\n{body}"
    scope = f"{day}/{region}/{SERVICE}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(asked.encode()).hexdigest()}"
    key = f"AWS4{os.environ['AWS_SECRET_ACCESS_KEY']}".encode()
    for step in (day, region, SERVICE, "aws4_request"):
        key = hmac.digest(key, step.encode(), "sha256")
    proof = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"{os.environ['AWS_ACCESS_KEY_ID']}/{scope}"
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={proof}"
    return {name: value for name, value in headers.items() if name != "host"}
