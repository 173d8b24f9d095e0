"""What can go wrong with a store: what is worth another attempt, and what a reader is told of the rest."""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from otmel.errors import StorageError

T = TypeVar("T")
SECRETS: Final = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID")
CREDENTIALS: Final = (
    "credentials come from the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION "
    "and, for another server than Amazon's, AWS_ENDPOINT_URL (or a profile or role of the machine)"
)
DENIED: Final = re.compile(
    r"ACCESS.?DENIED|ACCESS.?KEY.?ID|SIGNATURE.?DOES.?NOT|EXPIRED.?TOKEN|INVALID.?TOKEN|UNAUTHORIZED|"
    r"credentials|HTTP response code 40[13]",
    re.IGNORECASE,
)
NO_BUCKET: Final = re.compile(r"NO.?SUCH.?BUCKET|bucket.* does not exist", re.IGNORECASE)
REQUEST_ID: Final = re.compile(r" *\(?Request ID:.*$", re.IGNORECASE | re.DOTALL)
LONGEST_TEXT: Final = 300


class Absent(StorageError):
    """There is no such object."""


class Damaged(StorageError):
    """An object does not hold what its checksum tells."""


class Moved(StorageError):
    """Somebody else has changed what was to be changed."""


@dataclass(frozen=True)
class Retry:
    """How often, and how long apart, something is tried.

    Attributes:
        attempts: at most.
        first: seconds before the second attempt; each wait doubles the one before and is drawn from its upper half.
        longest: seconds between two attempts at most.
    """

    attempts: int = 9
    first: float = 0.1
    longest: float = 10.0

    def call(self, where: str, what: str, work: Callable[[], T]) -> T:
        """The result of ``work``, which may be called often.

        Args:
            where: the object's address.
            what: what is being done, as in "be read".
            work: does it.

        Raises:
            Absent: there is no such object.
            StorageError: it failed for good, or as often as it may.
        """
        for attempt in range(1, self.attempts + 1):
            try:
                return work()
            except (OSError, TimeoutError) as fault:
                if attempt == self.attempts or not passing(fault):
                    raise explained(fault, where, what, attempt) from None  # the library's text may hold an access key
                wait = min(self.longest, self.first * 2 ** (attempt - 1))
                time.sleep(wait * random.uniform(0.5, 1.0))
        raise AssertionError


def passing(fault: Exception) -> bool:
    """Whether another attempt may succeed."""
    permanent = isinstance(fault, FileNotFoundError | PermissionError | IsADirectoryError | NotADirectoryError)
    return not permanent and not DENIED.search(str(fault)) and not NO_BUCKET.search(str(fault))


def explained(fault: Exception, where: str, what: str, attempts: int = 1) -> StorageError:
    """The error that a reader sees: the address, what happened, and the cure; never a secret."""
    text = str(fault)
    if NO_BUCKET.search(text):
        return Absent("there is no such bucket", where=where, cure="check its name, or create it first")
    if isinstance(fault, FileNotFoundError):
        return Absent("there is no such object", where=where, cure="check the address")
    if isinstance(fault, PermissionError) or DENIED.search(text):
        return StorageError(f"it cannot {what}: access is denied", where=where, cure=CREDENTIALS)
    problem = f"it cannot {what}, tried {attempts} times: {plain(text)}"
    cure = "the store or the way to it is at fault: run the same command again, it goes on where it stopped"
    return StorageError(problem, where=where, cure=cure)


def plain(text: str) -> str:
    """A library's message in one line, without the environment's secrets and the number of the request."""
    for name in SECRETS:
        if secret := os.environ.get(name):
            text = text.replace(secret, "***")
    line = " ".join(REQUEST_ID.sub("", text).split())
    return line if len(line) <= LONGEST_TEXT else line[:LONGEST_TEXT] + " …"
