"""Runs trained to an address: killed, interrupted, taken over elsewhere, they end in the bits of a local one."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import loopback
import pytest
import trainers

from otmel.cli import train as verb
from otmel.cli.main import main
from otmel.remote import lease
from otmel.remote.store import Store, Uri
from otmel.training.layout import RECORD

KILLS = int(os.environ.get("OTMEL_KILLS", "1"))
SHORT = ("training.epochs=2", "training.batch_size=8", "training.evaluate_every=1")
"""As ``trained_run``: two epochs of two steps, a checkpoint after each."""
NO_ENTRY = "is writing here"


@dataclass(frozen=True)
class Machines:
    """The verb, on machines that share nothing but the store."""

    tmp_path: Path
    data: Path
    encoder: Path | Uri

    def words(self, out: Uri, *words: str, fresh: bool = True) -> list[str]:
        """The command line; what is not fresh says nothing of the settings."""
        asked = ["--encoder", str(self.encoder), *(word for one in SHORT for word in ("--set", one))] if fresh else []
        return ["train", str(self.data), "--out", str(out), *asked, *words]

    def cache(self, name: str) -> str:
        """Where a machine has its copies."""
        return str(self.tmp_path / name)

    def train(self, machine: str, out: Uri, *words: str, fresh: bool = True) -> int:
        """Run it in this process."""
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("OTMEL_CACHE", self.cache(machine))
            return main(self.words(out, *words, fresh=fresh))


@pytest.fixture
def machines(proxy: loopback.Proxy, tiny_world: Path, tiny_encoder: Path, tmp_path: Path) -> Machines:
    return Machines(tmp_path, tiny_world, tiny_encoder)


def check_same(out: Uri, run: Path) -> None:
    """All that readers need is what a local run has; so are the last checkpoint's weights, and nothing is left over."""
    store = Store(out)
    listed = set(store.list())
    for path in (path for path in run.rglob("*") if path.is_file()):
        name = path.relative_to(run).as_posix()
        if name == "log.jsonl":
            assert logged(store.read(name)) == logged(path.read_bytes())
        elif "/" not in name or name.endswith("model.safetensors"):
            assert store.read(name) == path.read_bytes(), name
        listed.remove(name)
    assert {name for name in listed if "/checkpoint-3/" not in name} == {RECORD}  # where it was interrupted


def logged(text: bytes) -> list[tuple[object, ...]]:
    """Steps and values of a log, without times and what is a mean over steps of which some were another process's."""
    rows = [json.loads(line) for line in text.splitlines()]
    return [(row["step"], row.get("eval_mrr"), row.get("learning_rate")) for row in rows if "train_runtime" not in row]


def test_faults_and_ctrl_c_on_one_machine_and_the_end_on_another(
    machines: Machines,
    bucket: Uri,
    proxy: loopback.Proxy,
    trained_run: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, heard = bucket / "runs" / "tiny", verb.note

    def note_and_interrupt(message: str) -> None:
        heard(message)
        if message.startswith("epoch 1"):
            os.kill(os.getpid(), signal.SIGINT)

    proxy.choose = loopback.Drawn(0.1, 3, ("500", "503", "reset", "lost answer", "truncated"))
    with monkeypatch.context() as patched:
        patched.setattr(verb, "note", note_and_interrupt)
        assert machines.train("a", out) == 130
    said = capsys.readouterr().err
    command = f"otmel train {machines.data} --out {out} --resume"
    assert said.endswith(f"error: interrupted\n  → go on with: {command}\n")
    assert set(Store(out).list(lease.CLAIMS)) == set()
    assert Store(out).stat("model.safetensors") is None
    assert machines.train("b", out) == 2
    said = capsys.readouterr().err
    assert f"error: {out}: a run stands here already" in said
    assert machines.train("b", out, "--resume", "--set", "seed=9") == 2
    assert "started with other settings: seed was 0 and is now 9" in capsys.readouterr().err
    Store(out).write(f"{lease.CLAIMS}/other.json", b'{"host": "there", "pid": 7, "time": "now"}')
    assert machines.train("b", out, "--resume", fresh=False) == 2
    assert f"error: {out}: process 7 of there (heard of at now) {NO_ENTRY}" in capsys.readouterr().err
    Store(out).delete([f"{lease.CLAIMS}/other.json"])
    assert machines.train("b", out, "--resume", "--json", fresh=False) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["run"] == str(out)
    assert "resuming after step 3" in shown.err
    proxy.choose = loopback.nothing
    check_same(out, trained_run)
    assert sum(proxy.injected.values()) >= 5


def test_a_store_that_fails_for_good_is_one_error_and_the_run_goes_on_from_what_is_here(
    machines: Machines,
    bucket: Uri,
    proxy: loopback.Proxy,
    trained_run: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("otmel.remote.faults.Retry.__init__.__defaults__", (3, 0.01, 0.05))
    out = bucket / "run"
    proxy.choose = lambda method, path: "500" if method != "GET" and "checkpoint-2/optim" in path else None
    assert machines.train("a", out) == 2
    *_, error, cure = capsys.readouterr().err.splitlines()
    assert error.startswith(f"error: {out}/checkpoints/checkpoint-2/optimizer.pt: it cannot be written, tried 3 times")
    kept = re.fullmatch(r"  → go on with --resume: all that was done is kept below (\S+)", cure)
    assert kept is not None
    assert list(Path(kept[1]).glob("*/checkpoints/checkpoint-2/seal.json"))
    proxy.choose = loopback.nothing
    assert json.loads(Store(out).read(RECORD))["checkpoints"] == {}  # half of one is none
    assert machines.train("a", out, "--resume", fresh=False) == 0
    assert "resuming after step 2" in capsys.readouterr().err
    check_same(out, trained_run)


def test_a_run_that_another_tool_has_put_there_is_gone_on_with_even_if_its_newest_checkpoint_is_damaged(
    machines: Machines,
    bucket: Uri,
    trained_run: Path,
    upload: Callable[[Path, Uri], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, name = bucket / "run", "checkpoints/checkpoint-4/model.safetensors"
    upload(trained_run, out)
    content = bytearray(Store(out).read(name))
    content[len(content) // 2] ^= 1
    Store(out).write(name, bytes(content))
    assert machines.train("a", out, "--resume", fresh=False) == 0
    said = capsys.readouterr().err
    assert "checkpoint-4 is incomplete or damaged and was removed\nresuming after step 2\n" in said
    check_same(out, trained_run)


class Mould:
    """The process that forks trainers, and the request at which one is killed."""

    def __init__(self, proxy: loopback.Proxy) -> None:
        command = [sys.executable, "-W", "ignore", str(trainers.__file__)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.proxy, self.left, self.reached = proxy, 0, threading.Event()

    def killed(self, words: list[str], cache: str, requests: int) -> int:
        """Train, and kill it when it has made so many requests that change something; its exit status."""
        assert self.process.stdin is not None
        self.left = requests
        self.reached.clear()
        self.proxy.choose = self.counted
        self.process.stdin.write(json.dumps({"words": words, "cache": cache}) + "\n")
        self.process.stdin.flush()
        pid, gone = self._read(), threading.Event()

        def kill() -> None:
            while not self.reached.wait(0.05) and not gone.is_set():
                pass
            if not gone.is_set():
                with suppress(ProcessLookupError):  # it has come to its end meanwhile
                    os.kill(pid, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        status = self._read()
        gone.set()
        killer.join()
        self.proxy.choose = loopback.nothing
        return status

    def counted(self, method: str, path: str) -> str | None:
        """The request at which it is killed is answered or lost, too late."""
        if method in ("PUT", "POST", "DELETE"):
            self.left -= 1
            if self.left == 0:
                self.reached.set()
                return "stall"
        return None

    def close(self) -> None:
        """End it."""
        self.process.communicate()

    def _read(self) -> int:
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())


@pytest.mark.timeout(300 + 30 * KILLS)
def test_killed_anywhere_it_goes_on_elsewhere(
    machines: Machines, bucket: Uri, proxy: loopback.Proxy, trained_run: Path, impatient: None
) -> None:
    mould, drawn, status = Mould(proxy), random.Random(4), 0
    try:
        for turn in range(KILLS):
            out, machine = bucket / f"run-{turn}", "a"
            status = mould.killed(machines.words(out), machines.cache(machine), drawn.randrange(2, 46))
            begun = Store(out).stat("run.json") is not None
            if drawn.random() < 0.7 or not begun:
                machine = "b"
            assert status in (-signal.SIGKILL, 0)
            words = ["--resume"] if begun or machine == "a" else []
            assert machines.train(machine, out, "--wait", "60", *words) == 0
            check_same(out, trained_run)
    finally:
        mould.close()
