"""One writer at a time to a folder in a store: a claim that is written there, renewed, and looked at before writing.

A writer puts a claim of its own and then lists all claims. Of two writers at least one finds the other's, since each
writes before it looks; whoever finds another's that is alive takes its own back. Claims are alive as long as they are
renewed, by the store's own clock. So no store needs to write on a condition, and a dead writer's claim ages away.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import socket
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from types import TracebackType
from typing import Any, Final

from otmel.errors import StorageError
from otmel.remote.store import PRIVATE, Store

CLAIMS: Final = f"{PRIVATE}writers"
ALIVE_SECONDS: Final = 120.0
"""How long a claim counts that is not renewed."""
RENEWED_SECONDS: Final = 20.0
TRIES: Final = 4
"""How often a writer comes back that met another at the very beginning."""


class Lease:
    """The right to write to a folder in a store, for the length of a ``with`` block.

    Args:
        store: the folder.
        name: of the claim; one that this writer left when it was killed is taken over.
        wait: seconds to wait for another writer.
        note: told once when there is one to wait for.
    """

    def __init__(self, store: Store, name: str, wait: float = 0.0, note: Callable[[str], Any] = print) -> None:
        self.store, self.wait, self.note = store, wait, note
        self._claim = f"{CLAIMS}/{name}.json"
        self._renewed, self._lost, self._stop = 0.0, False, threading.Event()
        self._thread = threading.Thread(target=self._renew_often, daemon=True, name="otmel-lease")

    @staticmethod
    def new_name() -> str:
        """A name for a claim."""
        return secrets.token_hex(8)

    def __enter__(self) -> Lease:
        until, told, tries = time.monotonic() + self.wait, False, 0
        while other := self._met():
            self.store.delete([self._claim])
            tries += 1
            if time.monotonic() >= until and tries >= TRIES:
                cure = f"wait until it is done (--wait SECONDS); if it died, its claim ends {ALIVE_SECONDS:.0f} s later"
                raise StorageError(f"{self._told(other)} is writing here", where=str(self.store.uri), cure=cure)
            if not told and self.wait:
                self.note(f"waiting for {self._told(other)}, which is writing to {self.store.uri}")
                told = True
            time.sleep(random.uniform(0.1, 0.4))
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        try:
            self.store.delete([self._claim])
        except StorageError:  # it ages away; what the block did, or raised, counts
            self.note(f"the claim on {self.store.uri} could not be taken back: it ends in {ALIVE_SECONDS:.0f} s")

    def check(self) -> None:
        """Before something is written. Raises ``StorageError`` when the right to write was lost."""
        if self._late:
            self._lost = self._lost or not self._alone()
        if self._lost:
            problem = f"this process was silent for more than {ALIVE_SECONDS / 2:.0f} s, and may not write any more"
            raise StorageError(problem, where=str(self.store.uri), cure="run the same command again")

    @property
    def _late(self) -> bool:
        """Whether others may have taken the claim for dead (the machine may have slept)."""
        return _now() - self._renewed >= ALIVE_SECONDS / 2

    def _alone(self) -> bool:
        """Whether the claim is still there, and no other; it is renewed then."""
        alone = set(self.store.list(CLAIMS)) == {self._claim}
        if alone:
            self._put()
        return alone

    def _met(self) -> str | None:
        """Put or renew the claim; the name of a living one of somebody else, if there is any."""
        self._put()
        claims = self.store.list(CLAIMS)
        own = claims.get(self._claim)
        if own is None:
            return self._claim
        dead = [name for name, one in claims.items() if own.time - one.time > ALIVE_SECONDS * 1e9]
        self.store.delete(dead)
        return next((name for name in sorted(claims) if name not in dead and name != self._claim), None)

    def _put(self) -> None:
        began = _now()
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        signed = {"host": socket.gethostname(), "pid": os.getpid(), "time": now}
        self.store.write(self._claim, json.dumps(signed).encode())
        self._renewed = began

    def _renew_often(self) -> None:
        while not self._stop.wait(RENEWED_SECONDS):
            try:
                if self._late:
                    self._lost = self._lost or not self._alone()
                else:
                    self._put()
            except StorageError:  # ``check`` says so, if it lasts
                continue

    def _told(self, name: str) -> str:
        """Who has a claim, in words."""
        try:
            said = json.loads(self.store.read(name))
            return f"process {said['pid']} of {said['host']} (heard of at {said['time']})"
        except (StorageError, ValueError, KeyError, TypeError):
            return "another process"


def _now() -> float:
    """Seconds that go on while the machine sleeps, where the system counts them."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)
