"""``otmel models``: the systems, the presets and the variants there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from otmel.cli.console import Json, emit


@dataclass(frozen=True)
class Models:
    """Systems with what they need, presets with what they are, variants with their names in the paper."""

    systems: dict[str, dict[str, Any]]
    presets: dict[str, dict[str, Any]]
    variants: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """Everything, with every setting of every preset."""
        return {"systems": self.systems, "presets": self.presets, "variants": self.variants}

    def as_text(self) -> str:
        """A table of the systems; of the rest names alone, for the settings are long."""
        lines = ["systems (--system); parameters of its own + of its published encoder (--encoder):"]
        lines += [_line(name, one) for name, one in self.systems.items()]
        lines += ["", "presets (--preset), whose settings `otmel train … --preset NAME --dry-run` prints:"]
        lines += [f"  {name}" for name in self.presets]
        lines += ["", "variants (--variant), the rows of Table 2, of OT-MEL:"]
        lines += [f"  {key}  {name}" for key, name in self.variants.items()]
        return "\n".join(lines)


def models(*, json: Json = False) -> None:
    """List them.

    Args:
        json: print them as JSON, with citations and all settings of each preset.
    """
    from otmel.models.registry import SYSTEMS
    from otmel.models.variants import VARIANT_NAMES
    from otmel.training.settings import PRESETS

    presets = {name: settings.model_dump(mode="json") for name, settings in PRESETS.items()}
    systems = {name: one.as_json() for name, one in SYSTEMS.items()}
    emit(Models(systems, presets, dict(VARIANT_NAMES)), json)


def _line(name: str, one: dict[str, Any]) -> str:
    own, encoder = (f"{count / 1e6:,.1f} M" for count in (one["parameters"], one["encoder parameters"]))
    reads = " + ".join(one["reads"])
    return f"  {name:<9} {one['title']:<9} {one['year']}  {own:>7} + {encoder:>8}  {reads:<12}  {one['encoder']}"
