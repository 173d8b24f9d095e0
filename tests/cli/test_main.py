"""The command line's frame: quick help, errors with a cure, exit statuses, results on the output stream only."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from otmel import __version__
from otmel.cli import main as module
from otmel.cli.console import INTERRUPTED, resumable
from otmel.cli.main import main
from otmel.cli.verbs import GROUPS, VERBS, Verb
from otmel.errors import DataError

HEAVY = ("torch", "transformers", "sklearn", "matplotlib", "scipy", "numpy", "polars", "ot")
NAMES = [verb.name for verb in VERBS]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """One command in a process of its own, on a wide page."""
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "otmel.cli.main", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)


@cache
def helped(*words: str) -> tuple[str, str]:
    """A page of help, from a process of its own: the page, and which heavy libraries it has loaded."""
    code = (
        "import sys; from otmel.cli.main import main; "
        f"status = main({[*words, '--help']!r}); print([m for m in {HEAVY!r} if m in sys.modules]); sys.exit(status)"
    )
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stderr == ""
    page, _, loaded = done.stdout.rstrip("\n").rpartition("\n")
    return page, loaded


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., object]], None]:
    """Register a function of the test as the verb ``try``."""

    def register(function: Callable[..., object]) -> None:
        monkeypatch.setattr(sys.modules[__name__], "tried", function, raising=False)
        monkeypatch.setattr(module, "VERBS", (*VERBS, Verb("try", f"{__name__}:tried", "Try something.", ())))

    return register


@pytest.mark.parametrize("words", [[], ["data"], *(name.split() for name in NAMES)], ids=" ".join)
def test_no_help_loads_a_heavy_library(words: list[str]) -> None:
    assert helped(*words)[1] == "[]"


def test_help_lists_every_group_and_verb() -> None:
    listed, _ = helped()
    assert all(summary in listed for summary in GROUPS.values())
    for verb in VERBS:
        page, _ = helped(*verb.name.split()[:-1])
        assert verb.summary.partition("\n")[0] in page, verb.name


@pytest.mark.parametrize("verb", VERBS, ids=NAMES)
def test_a_verbs_page_explains_every_option_and_ends_with_its_examples(verb: Verb) -> None:
    page, _ = helped(*verb.name.split())
    assert verb.summary.split("\n\n")[-1][:40] in page
    assert page.rstrip().endswith(verb.examples[-1])
    for row in page.partition("Parameters")[2].partition("Examples")[0].splitlines():
        option = next((word for word in row.split() if word.startswith("--")), None)
        assert option is None or len(row.split(option)[1].strip(" │").split()) > 2, f"{option} is not explained"


@pytest.mark.parametrize("verb", VERBS, ids=NAMES)
def test_every_example_can_be_parsed(verb: Verb) -> None:
    app = module.build_app()
    for example in verb.examples:
        words = example.partition(" > ")[0].partition(" | ")[0].split()
        assert words[0] == "otmel"
        command, _, _ = app.parse_args(words[1:], exit_on_error=False, print_error=False)
        assert f"{command.__module__}:{command.__name__}" == verb.place


def test_the_version() -> None:
    assert run("--version").stdout == f"{__version__}\n"


def test_without_a_word_the_help_is_shown() -> None:
    done = run()
    assert done.returncode == 0
    assert "Usage: otmel" in done.stdout


@pytest.mark.parametrize(
    ("words", "problem", "cure"),
    [
        (["dta"], 'Did you mean "data"?', "otmel --help"),
        (["data", "chek"], 'Did you mean "check"?', "otmel data --help"),
        (["data", "check"], "requires an argument", "otmel data check --help"),
        (["data", "check", "x", "--jsn"], "--json", "otmel data check --help"),
        (["data", "check", "a", "b"], "['b']", "otmel data check --help"),
        (["data", "world", "--out", "x", "--seed", "one"], "one", "otmel data world --help"),
    ],
)
def test_a_mistyped_command_gets_a_hint(
    words: list[str], problem: str, cure: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert problem in captured.err
    assert captured.err.endswith(f"→ {cure}\n")


def test_an_error_of_otmel_names_place_problem_and_cure(
    verb: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        raise DataError("row [3] has no id", where="kb.json", cure="give it one")

    verb(fails)
    assert main(["try"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "error: kb.json: row [3] has no id\n  → give it one\n"


@pytest.mark.parametrize("error", [DataError("row 3"), FileNotFoundError(2, "No such file", "a.json")])
def test_verbose_shows_the_traceback(
    error: Exception, verb: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        raise error

    verb(fails)
    assert main(["try", "-v"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_refusal_of_the_system_is_no_traceback(
    tmp_path: Path, verb: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    verb(lambda: (tmp_path / "absent").read_text())
    assert main(["try"]) == 2
    assert capsys.readouterr().err == f"error: {tmp_path / 'absent'}: no such file or directory\n"


def test_a_fault_of_our_own_is_not_hidden(verb: Callable[..., None]) -> None:
    verb(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        main(["try"])


@pytest.mark.parametrize("status", [None, 0, 1])
def test_the_status_is_what_the_verb_returns(status: int | None, verb: Callable[..., None]) -> None:
    verb(lambda: status)
    assert main(["try"]) == (status or 0)


def test_warnings_of_libraries_are_shown_to_the_verbose_only(verb: Callable[..., None]) -> None:
    def warns() -> None:
        warnings.warn("old", DeprecationWarning, stacklevel=1)

    verb(warns)
    assert main(["try"]) == 0
    with pytest.raises(DeprecationWarning):
        main(["try", "--verbose"])


def test_ctrl_c_says_how_to_go_on(verb: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        with resumable("otmel train --resume"):
            os.kill(os.getpid(), signal.SIGINT)

    verb(interrupted)
    assert main(["try"]) == INTERRUPTED
    assert capsys.readouterr().err == "error: interrupted\n  → otmel train --resume\n"


def test_ctrl_c_in_the_middle_of_a_verb_leaves_nothing_behind(tmp_path: Path) -> None:
    out = tmp_path / "world"
    command = [sys.executable, "-m", "otmel.cli.main", "data", "world", "--out", str(out), "--set", "captions=100000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        first = child.stderr.readline()  # it reports after two seconds: by then it is in the middle
        child.send_signal(signal.SIGINT)
        _, rest = child.communicate(timeout=60)
    assert first.startswith("drawing")
    assert child.returncode == INTERRUPTED
    assert "error: interrupted" in rest
    assert "Traceback" not in rest
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_has_enough_is_no_error(verb: Callable[..., None], tmp_path: Path) -> None:
    source = tmp_path / "long_verb.py"
    source.write_text("def tell():\n    from otmel.cli.console import emit\n    emit('line\\n' * 200_000)\n")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from otmel.cli import main\n"
        "main.VERBS = (main.Verb('tell', 'long_verb:tell', 'Tell.', ()),)\n"
        "sys.exit(main.main(['tell']))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline() == b"line\n"
        child.stdout.close()
        complaint = child.stderr.read()
    assert complaint == b""
    assert child.returncode == 0


def test_every_verb_with_json_prints_json_alone(tmp_path: Path, tiny_dataset_folder: Path) -> None:
    for words in (["data", "info", str(tiny_dataset_folder)], ["data", "check", str(tiny_dataset_folder)]):
        done = run(*words, "--json")
        assert done.returncode in (0, 1), done.stderr
        assert json.loads(done.stdout)
