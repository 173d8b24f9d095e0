"""Systems of other packages: each is a ``System`` that an entry point of the group ``otmel.systems`` names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from otmel.errors import ConfigurationError
from otmel.models.systems import System

GROUP: Final = "otmel.systems"


def with_plugged(own: Iterable[System], points: Iterable[EntryPoint] | None = None) -> Mapping[str, System]:
    """Name → system: otmel's own in their order, then those of other packages by name.

    Args:
        own: otmel's own systems.
        points: entry points to load; by default those of the group ``otmel.systems`` of all installed packages.

    Raises:
        ConfigurationError: an entry point does not load, is no system, or takes a name that is taken.
    """
    systems = {one.name: one for one in own}
    for point in sorted(entry_points(group=GROUP) if points is None else points, key=lambda point: point.name):
        system = _loaded(point)
        if system.name in systems:
            raise _fault(point, f"there is a system {system.name!r} already", "give it another name")
        systems[system.name] = system
    return systems


def _loaded(point: EntryPoint) -> System:
    try:
        system = point.load()
    except Exception as fault:  # whatever a foreign package does when it is imported, its name has to be said
        problem = f"the system does not load ({type(fault).__name__}: {fault})"
        raise _fault(point, problem, "mend or uninstall the package") from fault
    if not isinstance(system, System):
        raise _fault(point, f"this is no System but {type(system).__name__}", "name a record of otmel.models.systems")
    return system


def _fault(point: EntryPoint, problem: str, cure: str) -> ConfigurationError:
    package = "" if point.dist is None else f" of the package {point.dist.name!r}"
    return ConfigurationError(problem, where=f"entry point {point.name} = {point.value!r}{package}", cure=cure)
