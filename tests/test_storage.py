"""Laws of atomic writes: all or nothing, no leftovers, whatever the disk does."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otmel import storage
from otmel.errors import StorageError
from otmel.storage import atomic_folder, atomic_path, atomic_write_json, atomic_write_text, json_text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
KIBIBYTE = 1024


def child(code: str, *arguments: object, limit: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in a process of its own, in which no file may grow beyond ``limit`` bytes."""
    prelude = "import json, os, signal, sys\nfrom pathlib import Path\n"
    if limit is not None:
        # Without the signal ignored the kernel ends the process; with it, writing fails as on a full disk.
        prelude += "import resource\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        prelude += f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
    command = [sys.executable, "-c", prelude + textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


@given(value=JSON)
def test_json_comes_back_and_is_always_valid_utf8(value: object) -> None:
    text = json_text(value)
    assert json.loads(text.encode("utf-8")) == value


@pytest.mark.parametrize("text", ["", "plain", "Émile 🦀\r\n\x00", "x" * 100_000])
def test_text_comes_back_byte_for_byte(tmp_path: Path, text: str) -> None:
    atomic_write_text(tmp_path / "deep" / "er" / "note.txt", text)
    assert (tmp_path / "deep" / "er" / "note.txt").read_bytes() == text.encode()
    assert names(tmp_path) == ["deep", "er", "note.txt"]


def test_a_lone_surrogate_survives_json(tmp_path: Path) -> None:
    atomic_write_json(tmp_path / "a.json", {"name": "\ud800 Émile"})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"name": "\ud800 Émile"}


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_without_a_word_for_it_is_refused_and_the_old_file_stays(tmp_path: Path, number: float) -> None:
    atomic_write_json(tmp_path / "a.json", {"loss": 1.0})
    with pytest.raises(ValueError, match="not JSON compliant"):
        atomic_write_json(tmp_path / "a.json", {"loss": number})
    assert json.loads((tmp_path / "a.json").read_text()) == {"loss": 1.0}


def test_the_temporary_name_keeps_the_suffix_and_the_folder(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "plan.png") as temporary:
        assert temporary.suffix == ".png"
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".")
        temporary.write_bytes(b"new")
        assert not (tmp_path / "plan.png").exists()
    assert names(tmp_path) == ["plan.png"]


def test_a_file_has_the_permissions_of_any_other_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("x")
    atomic_write_text(tmp_path / "atomic", "x")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_link_keeps_pointing_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.txt").symlink_to(tmp_path / "real" / "note.txt")
    atomic_write_text(tmp_path / "link.txt", "through")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real" / "note.txt").read_text() == "through"


@pytest.mark.parametrize("fault", [ValueError("mine"), KeyboardInterrupt()])
def test_any_failure_inside_leaves_the_old_file_and_nothing_else(tmp_path: Path, fault: BaseException) -> None:
    atomic_write_text(tmp_path / "a.txt", "old")
    with pytest.raises(type(fault)), atomic_path(tmp_path / "a.txt") as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise fault
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("number", sorted(storage.CURES))
def test_every_known_refusal_has_its_cure(tmp_path: Path, number: int) -> None:
    atomic_write_text(tmp_path / "a.txt", "old")
    with pytest.raises(StorageError) as caught, atomic_path(tmp_path / "a.txt"):
        raise OSError(number, os.strerror(number))
    assert caught.value.cure == storage.CURES[number]
    assert str(tmp_path / "a.txt") in str(caught.value)
    assert os.strerror(number).lower() in str(caught.value)
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_device_is_never_replaced() -> None:
    with pytest.raises(StorageError, match="no regular file"):
        atomic_write_text("/dev/full", "x")
    assert Path("/dev/full").is_char_device()


def test_a_device_without_space_is_named() -> None:
    """The kernel's own ENOSPC, met inside the block."""
    with pytest.raises(StorageError, match="no space left") as caught, storage._refusals_named("here", lambda: None):
        Path("/dev/full").write_bytes(b"x" * KIBIBYTE)
    assert caught.value.cure == storage.CURES[errno.ENOSPC]


def test_a_parent_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match=r"a part of the path is a file"):
        atomic_write_text(tmp_path / "file" / "a.txt", "x")
    assert names(tmp_path) == ["file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_write_permission_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(StorageError, match="right to write"):
        atomic_write_text(tmp_path / "a.txt", "x")


WRITERS = {
    "text": "storage.atomic_write_text(target, 'x' * 1_000_000)",
    "folder": "with storage.atomic_folder(target) as t: (t / 'a').write_bytes(bytes(10**6))",
    "safetensors": """
        import numpy
        from safetensors.numpy import save_file
        with storage.atomic_path(target) as t: save_file({'w': numpy.zeros(100_000)}, t)""",
    "image": """
        from PIL import Image
        with storage.atomic_path(target) as t: Image.effect_noise((512, 512), 64).save(t, 'PNG')""",
    "torch": """
        import torch
        with storage.atomic_path(target) as t: torch.save({'w': torch.zeros(100_000)}, t)""",
}


@pytest.mark.parametrize("writer", sorted(WRITERS))
def test_no_room_for_the_file_is_a_storage_error_and_the_old_one_stays(tmp_path: Path, writer: str) -> None:
    target = tmp_path / "target"
    if writer == "folder":
        target.mkdir()
        (target / "a").write_text("old")
    else:
        target.write_text("old")
    before = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    body = textwrap.indent(textwrap.dedent(WRITERS[writer]), " " * 4)
    code = (
        "from otmel import storage, errors\ntarget = Path(sys.argv[1])\n"
        f"try:\n{body}\nexcept errors.StorageError as fault:\n    print('refused:', fault)\n"
    )
    done = child(code, target, limit=64 * KIBIBYTE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"refused: {target}: cannot be written"), done.stdout
    assert {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_there_is_room_for_a_small_file_under_the_same_limit(tmp_path: Path) -> None:
    """The limit, and nothing else, is what the test above meets."""
    code = "from otmel import storage\nstorage.atomic_write_text(sys.argv[1], 'x' * 1000)"
    assert child(code, tmp_path / "small", limit=64 * KIBIBYTE).returncode == 0
    assert (tmp_path / "small").stat().st_size == 1000


@pytest.mark.parametrize("moment", ["_flush", "_exchange"])
def test_killed_at_any_moment_a_folder_is_the_old_or_the_new_one(tmp_path: Path, moment: str) -> None:
    """``kill -9`` just before each step that ``moment`` names, until the process comes through."""
    target = tmp_path / "run"
    code = f"""
        from otmel import storage
        step, calls = storage.{moment}, iter(range(10**6))
        def dies(*places):
            if next(calls) == int(sys.argv[2]): os.kill(os.getpid(), signal.SIGKILL)
            step(*places)
        storage.{moment} = dies
        with storage.atomic_folder(sys.argv[1]) as t:
            for name in 'ab': (t / name).write_text('new')
    """
    for death in range(20):
        with atomic_folder(target) as temporary:
            for name in "ab":
                (temporary / name).write_text("old")
        done = child(code, target, death)
        assert len({(target / name).read_text() for name in "ab"}) == 1
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
    assert death > 0
    assert {(target / name).read_text() for name in "ab"} == {"new"}


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "run") as temporary:
        (temporary / "old.txt").write_text("old")
    with atomic_folder(tmp_path / "run") as temporary:
        (temporary / "sub").mkdir()
        (temporary / "sub" / "new.txt").write_text("new")
        assert names(tmp_path / "run") == ["old.txt"]
    assert names(tmp_path) == ["new.txt", "run", "sub"]


def test_a_file_is_never_replaced_by_a_folder(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with pytest.raises(StorageError, match="this is a file"), atomic_folder(tmp_path / "run"):
        pass
    assert (tmp_path / "run").read_text() == "mine"


def _without_exchange(*_arguments: object, **_options: object) -> object:
    return object()


def test_where_the_system_cannot_swap_three_renames_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage.ctypes, "CDLL", _without_exchange)
    for text in ("old", "new"):
        with atomic_folder(tmp_path / "run") as temporary:
            (temporary / "a").write_text(text)
    assert (tmp_path / "run" / "a").read_text() == "new"
    assert names(tmp_path) == ["a", "run"]


def test_a_swap_that_fails_half_way_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage.ctypes, "CDLL", _without_exchange)
    (tmp_path / "run").mkdir()
    with pytest.raises(FileNotFoundError):
        storage._exchange(tmp_path / "absent", tmp_path / "run")
    assert names(tmp_path) == ["run"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("I/O error: No space left on device (os error 28)", "no space left on device"),
        ("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0", "unexpected pos"),
        ("PytorchStreamWriter failed writing file data/0: file write failed", "PytorchStreamWriter"),
    ],
)
def test_a_refusal_that_a_library_wrapped_is_still_known(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(StorageError, match=re.escape(reason)), atomic_path(tmp_path / "a"):
        raise RuntimeError(text)
