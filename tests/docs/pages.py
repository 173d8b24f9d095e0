"""What runs a page of the documentation: its files are written, its commands and its Python run, in their order."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field, replace
from pathlib import Path

from otmel.cli.main import main

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>[^\n]+?) -->\n)?"
    r"^```(?P<kind>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
SHORTER = {
    "otmel data world": "--set entities=40 --set train=64 --set dev=20 --set test=20 --set unseen=4 --set captions=40",
    "otmel pretrain": "--set steps=2 --set batch=16",
    "otmel train": "--set training.epochs=1",
}
"""What a page's command gets added here, so that it takes seconds: smaller data, fewer steps."""
OUTSIDE = ("make ", "pip ", "docker ", "podman ", "systemctl ", "sudo ", "git ")
"""Commands that are checked elsewhere or belong to another machine."""
EXTRAS = {"spacy"}
"""Packages of optional extras that blocks may import."""
SERVER_SECONDS = 240
PORT = re.compile(r"(?<=--port )\d{4,5}|(?<=0\.0\.1:)\d{4,5}")


@dataclass(frozen=True)
class Block:
    """One block of code: its language, the file it is, the reason why it is not run, and its text."""

    kind: str
    title: str | None
    reason: str | None
    text: str


@dataclass
class Page:
    """A page and the folder that it is run in."""

    name: str
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    servers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    in_process: bool = True
    ports: dict[str, str] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)

    @property
    def blocks(self) -> list[Block]:
        """Those of the page, with ports that are free here in the place of its own."""
        found = blocks(DOCS / f"{self.name}.md")
        for number in {number for block in found for number in PORT.findall(block.text)} - self.ports.keys():
            self.ports[number] = str(free_port())
        return [replace(block, text=PORT.sub(lambda one: self.ports[one[0]], block.text)) for block in found]

    def run(self) -> None:
        """Everything on it but what needs an extra that is not installed: ``absent`` has its package."""
        names: dict[str, object] = {}
        try:
            for block in self.blocks:
                if block.title:
                    write(self.folder / block.title, block.text)
                elif block.reason is None and block.kind == "bash":
                    for line in lines(block.text):
                        self.command(line)
                elif block.reason is None and block.kind == "python":
                    self.program(block.text, names)
        finally:
            self.stop()

    def program(self, text: str, names: dict[str, object]) -> None:
        with self.here(), contextlib.redirect_stdout(io.StringIO()):
            try:
                exec(compile(text, f"docs/{self.name}.md", "exec"), names)
            except ModuleNotFoundError as fault:
                if fault.name not in EXTRAS:
                    raise
                self.absent.add(fault.name)

    def command(self, line: str) -> None:
        if line.startswith(OUTSIDE):
            return
        added = next((more for known, more in SHORTER.items() if line.startswith(known + " ")), "")
        words = shlex.split(line)
        if words[:2] == ["otmel", "serve"]:
            self.serve(words[1:])
        elif words[0] == "otmel" and self.in_process and not re.search(r"[|>&$]", line):
            self.call([*words[1:], *shlex.split(added)])
        elif words[0] == "export":
            self.environment.update([words[1].split("=", 1)])
        else:
            self.shell(f"{line} {added}".strip() if "|" not in line and ">" not in line else line)

    def call(self, words: list[str]) -> None:
        out, err = io.StringIO(), io.StringIO()
        with self.here(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(words)
        assert status == 0, f"{self.name}: otmel {shlex.join(words)}\n{err.getvalue()}\n{out.getvalue()}"

    def shell(self, line: str) -> None:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line],
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{self.name}: {line}\n{done.stderr[-2000:]}\n{done.stdout[-2000:]}"

    def serve(self, words: list[str]) -> None:
        """Start the service and wait until it says that it is ready."""
        words = [word for word in words if word != "&"]
        command = [sys.executable, "-m", "otmel", *words]
        with (self.folder / "serve.log").open("ab") as log:
            process = subprocess.Popen(command, cwd=self.folder, env=self.variables, stdout=log, stderr=log)
        self.servers.append(process)
        port = words[words.index("--port") + 1] if "--port" in words else "8000"
        for _ in range(SERVER_SECONDS * 10):
            assert process.poll() is None, (self.folder / "serve.log").read_text()
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2):
                return
            time.sleep(0.1)
        raise AssertionError(f"{self.name}: the service was not ready in {SERVER_SECONDS} s")

    def stop(self) -> None:
        for process in self.servers:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)

    @property
    def variables(self) -> dict[str, str]:
        scripts = str(Path(sys.executable).parent)
        return {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", **self.environment}

    @contextlib.contextmanager
    def here(self):
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            yield
        finally:
            os.chdir(before)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def blocks(path: Path) -> list[Block]:
    """The blocks of code of a page."""
    found = BLOCK.finditer(path.read_text(encoding="utf-8"))
    return [Block(one["kind"], one["title"], one["reason"], one["text"]) for one in found]


def lines(text: str) -> list[str]:
    """The commands of a block: continued lines joined, comments taken off."""
    whole = [line.strip() for line in text.replace("\\\n", " ").splitlines()]
    return [re.split(r"\s+#\s", line)[0].strip() for line in whole if line and not line.startswith("#")]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def copied(base: Path, folder: Path) -> Path:
    """A folder with what the quickstart made."""
    shutil.copytree(base, folder, dirs_exist_ok=True)
    return folder
