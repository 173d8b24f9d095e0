"""The command ``otmel``: finds the verb, and turns errors into a message, a cure and an exit status.

Exit status: 0 done, 2 an error that the message explains, 130 interrupted by Ctrl-C; 1 is a fault of otmel itself.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter
from rich.markup import escape

from otmel import __version__
from otmel.cli.console import INTERRUPTED, console, fail, fail_with
from otmel.cli.verbs import GROUPS, VERBS, Verb
from otmel.errors import OtmelError

USER_ERROR = 2
# The libraries' own bars and advice are not for our readers. Set before any of the libraries is imported.
QUIET = {
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


def build_app() -> App:
    """The parser of the command line. Imports no verb's module."""
    app = App(
        name="otmel",
        help="Link mentions in text and image to the entities of a knowledge graph, by optimal transport.",
        version=__version__,
        default_parameter=Parameter(negative=(), negative_iterable=()),
        help_format="rich",
        suppress_keyboard_interrupt=False,
    )
    groups = {name: App(name=name, help=summary) for name, summary in GROUPS.items()}
    for group in groups.values():
        app.command(group)
    for verb in VERBS:
        *group, name = verb.name.split()
        parent = groups[group[0]] if group else app
        parent.command(verb.place, name=name, help=escape(verb.summary), help_epilogue=_epilogue(verb))
    return app


def main(tokens: Sequence[str] | None = None) -> int:
    """Run one command line (``sys.argv`` by default) and return its exit status."""
    tokens = list(sys.argv[1:] if tokens is None else tokens)
    app = build_app()
    status: list[int] = []

    @app.meta.default
    def launch(
        *words: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
        verbose: Annotated[bool, Parameter(name=("--verbose", "-v"), help="Show tracebacks and warnings.")] = False,
    ) -> None:
        status.append(_guarded(app, words, verbose))

    try:
        app.meta(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as fault:
        return _misuse(fault, tokens)
    return status[-1] if status else 0


def _guarded(app: App, words: Sequence[str], verbose: bool) -> int:
    """Run a verb; whatever goes wrong on purpose becomes a message and an exit status."""
    try:
        with warnings.catch_warnings():
            _silence_libraries(verbose)
            return app(words, exit_on_error=False, print_error=False, result_action="return_value") or 0
    except CycloptsError as fault:
        return _misuse(fault, words)
    except BrokenPipeError:
        # Whoever read our output (head, say) has enough; writing on at exit would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt as stop:
        fail("interrupted", str(stop) or "nothing was left half done: run the same command again")
        return INTERRUPTED
    except OtmelError as error:
        if verbose:
            console.print_exception()
        fail_with(error)
    except OSError as error:
        if verbose:
            console.print_exception()
        fail(f"{error.filename or 'the system'}: {(error.strerror or str(error)).lower()}")
    return USER_ERROR


def _misuse(fault: CycloptsError, words: Sequence[str]) -> int:
    """A command line that cannot be understood: say why, and where help is."""
    known = {name for verb in VERBS for name in (verb.name, *verb.name.split()[:1])}
    verb = next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in known), "")
    fail(str(fault), " ".join(f"otmel {verb} --help".split()))
    return USER_ERROR


def _silence_libraries(verbose: bool) -> None:
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # pyright: ignore[reportAttributeAccessIssue]
    if not verbose:
        for key, value in QUIET.items():
            os.environ.setdefault(key, value)
        if not sys.warnoptions:
            warnings.simplefilter("ignore")


def _epilogue(verb: Verb) -> str:
    return "[bold]Examples[/bold]\n" + "\n".join(f"  {escape(example)}" for example in verb.examples)


if __name__ == "__main__":
    sys.exit(main())
