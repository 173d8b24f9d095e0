"""``otmel models``: the presets and the variants there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from otmel.cli.console import Json, emit


@dataclass(frozen=True)
class Models:
    """Presets with what they are, variants with their names in the paper."""

    presets: dict[str, dict[str, Any]]
    variants: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """Every setting of every preset."""
        return {"presets": self.presets, "variants": self.variants}

    def as_text(self) -> str:
        """Names alone; the settings are long."""
        lines = ["presets (--preset), whose settings `otmel train … --preset NAME --dry-run` prints:"]
        lines += [f"  {name}" for name in self.presets]
        lines += ["variants (--variant), the rows of Table 2:"]
        lines += [f"  {key}  {name}" for key, name in self.variants.items()]
        return "\n".join(lines)


def models(*, json: Json = False) -> None:
    """List them.

    Args:
        json: print them as JSON, with all settings of each preset.
    """
    from otmel.models.variants import VARIANT_NAMES
    from otmel.training.settings import PRESETS

    presets = {name: settings.model_dump(mode="json") for name, settings in PRESETS.items()}
    emit(Models(presets, dict(VARIANT_NAMES)), json)
