"""Errors that travel: what a worker refuses becomes the same error at the driver, without Ray's traceback around it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ParamSpec, TypeVar

from otmel import errors
from otmel.errors import OtmelError

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Refusal:
    """One of otmel's errors as plain values.

    Attributes:
        kind: the error's class.
        problem: what is wrong.
        where: at which place.
        cure: what can be done about it.
        node: the machine that refused.
    """

    kind: str
    problem: str
    where: str | None
    cure: str | None
    node: str = ""

    @property
    def error(self) -> OtmelError:
        """The error again, which names the machine."""
        kind = getattr(errors, self.kind, OtmelError)
        error = kind.__new__(kind)
        problem = f"{self.problem} (on the node {self.node})" if self.node else self.problem
        OtmelError.__init__(error, problem, where=self.where, cure=self.cure)
        return error


def refusing(method: Callable[P, T]) -> Callable[P, T | Refusal]:
    """A method whose errors of otmel are returned, not raised."""

    @functools.wraps(method)
    def guarded(*args: P.args, **options: P.kwargs) -> T | Refusal:
        try:
            return method(*args, **options)
        except OtmelError as fault:
            refusal = Refusal(type(fault).__name__, fault.problem, fault.where, fault.cure)
            return replace(refusal, node=this_node())

    return guarded


def this_node() -> str:
    """What Ray calls this machine: its address, and the first digits of the node's id."""
    import ray

    return f"{ray.util.get_node_ip_address()} {ray.get_runtime_context().get_node_id()[:8]}"


def accepted(answer: T | Refusal) -> T:
    """An answer that is no refusal. Raises the error that a refusal stands for."""
    if isinstance(answer, Refusal):
        raise answer.error from None
    return answer
