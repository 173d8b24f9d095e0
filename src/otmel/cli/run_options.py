"""The settings of a run as a command line asks for them: preset < configuration file < options < ``--set``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import Parameter

from otmel.cli.console import Set
from otmel.cli.places import Here
from otmel.errors import ConfigurationError
from otmel.settings import TAG, overridden, validated

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports]

if TYPE_CHECKING:
    from otmel.training.settings import RunSettings

OURS = "ot-mel"


@Parameter(name="*")
@dataclass(frozen=True)
class RunOptions:
    """What a command line says of a run's settings; what it leaves out is ``None``.

    Args:
        encoder: the pretrained encoder: a folder, a name on the Hugging Face Hub, or TEXT+VISION for two towers.
        preset: where the settings start from: default, PAPER or RELEASED.
        system: another system than OT-MEL, such as clip or mimic (otmel models lists them).
        variant: a row of the paper's Table 2: ot, kd, f1, f2, m1, m2, a1, o1, o2, k1, k2 or k3.
        config: a TOML file of settings, such as those in configs/.
        seed: of initialisation, order and dropout.
        set: override a setting: key=value. May be given often.
    """

    encoder: str | None = None
    preset: str | None = None
    system: str | None = None
    variant: str | None = None
    config: Here | None = None
    seed: int | None = None
    set: Set = ()

    def settings(self, recorded: RunSettings | None = None) -> RunSettings:
        """All settings; of a run that is to be resumed, ``recorded`` says what the command line does not say again.

        A variant named here changes what preset and file made of the model; one named in the file, the preset alone.

        Raises:
            ConfigurationError: an unknown preset, variant or key, a value of the wrong type, or no such file.
        """
        from otmel.training.settings import of_system, preset

        values = {} if self.config is None else read_config(self.config)
        name, row = values.pop("preset", None), values.pop("variant", None)
        settings = before = recorded or preset("default")
        with _placed(None if self.preset else self.config):
            if self.preset or name:
                kept = {"encoder": before.encoder, "seed": before.seed}
                settings = preset(str(self.preset or name)).model_copy(update=kept)
        if self.system is not None:
            settings = of_system(settings, self.system)
        with _placed(self.config):
            if self.variant is None and settings.model.kind == OURS and (row or settings is not before):
                settings = varied(settings, str(row or before.variant))
        if self.config is not None:
            everything = _merged(settings.model_dump(), values)
            settings = validated(type(settings), everything, where=str(self.config))
        if self.variant is not None:
            settings = varied(settings, self.variant)
        encoder, seed = self.encoder or settings.encoder, settings.seed if self.seed is None else self.seed
        settings = settings.model_copy(update={"encoder": _absolute(encoder), "seed": seed})
        return overridden(settings, self.set)


def varied(settings: RunSettings, name: str) -> RunSettings:
    """``settings`` with one row of Table 2 applied to the model. Raises ``ConfigurationError``."""
    from otmel.models.settings import ModelSettings
    from otmel.models.variants import variant

    if not isinstance(settings.model, ModelSettings):
        problem = f"the variants are rows of Table 2, which is about OT-MEL; the system is {settings.model.kind!r}"
        raise ConfigurationError(problem, cure="leave out --variant, or --system")
    return settings.model_copy(update={"variant": name, "model": variant(name, settings.model)})


def read_config(path: Path) -> dict[str, Any]:
    """The tables of a TOML file. Raises ``ConfigurationError``, with line and column where it is no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(
            "there is no such file", where=str(path), cure="name a TOML file of settings, such as those in configs/"
        ) from None
    except (OSError, ValueError) as fault:
        raise ConfigurationError(f"no TOML: {fault}", where=str(path)) from fault


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with the keys of ``over``; a group that becomes another kind starts from its own defaults."""
    result = dict(base)
    for key, value in over.items():
        group = base.get(key)
        if (
            isinstance(value, Mapping)
            and isinstance(group, Mapping)
            and value.get(TAG, group.get(TAG)) == group.get(TAG)
        ):
            value = _merged(group, value)
        result[key] = value
    return result


def _absolute(encoder: str | None) -> str | None:
    """Folders by their full path, so that the run can be resumed and moved from anywhere; other names as they are."""
    if encoder is None or Path(encoder).exists():
        return encoder and str(Path(encoder).resolve())
    return "+".join(str(Path(part).resolve()) if part and Path(part).exists() else part for part in encoder.split("+"))


@contextmanager
def _placed(file: Path | None) -> Iterator[None]:
    """Errors in what a file says name the file."""
    try:
        yield
    except ConfigurationError as fault:
        where = fault.where or (str(file) if file else None)
        raise ConfigurationError(fault.problem, where=where, cure=fault.cure) from None
