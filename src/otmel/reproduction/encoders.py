"""The encoder of a run: given, published, pretrained on the data, or a small one of the system's own kind."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from transformers import AutoConfig

from otmel.encoders.pretrain import REPORT
from otmel.encoders.settings import PretrainSettings
from otmel.errors import CheckpointError, ConfigurationError, nearest
from otmel.inputs.pretrained import is_folder, read_pretrained
from otmel.models.registry import SYSTEMS
from otmel.models.systems import System
from otmel.reproduction.request import Data, Request
from otmel.reproduction.scale import pretraining
from otmel.settings import overridden
from otmel.storage import atomic_folder


@dataclass(frozen=True)
class Encoder:
    """An encoder.

    Attributes:
        name: for reading.
        place: folder or name, as ``--encoder`` takes it.
        folder: where it is made; ``None`` where it is given.
        towers: the encoder that it is made from, for one of a system's own kind.
        system: the system whose own kind it is.
        data: what it is pretrained on.
        settings: of its pretraining.
    """

    name: str
    place: str
    folder: Path | None = None
    towers: Encoder | None = None
    system: System | None = None
    data: Data | None = None
    settings: tuple[str, ...] = ()

    @property
    def is_there(self) -> bool:
        """Whether nothing has to be made. Raises ``CheckpointError`` where it was made in another way."""
        if self.folder is None:
            return True
        if self.system is not None:
            return (self.folder / "config.json").is_file()
        if not (self.folder / REPORT).is_file():
            return False
        made = json.loads((self.folder / REPORT).read_text(encoding="utf-8")).get("settings")
        asked = overridden(PretrainSettings(), self.settings).model_dump(mode="json")
        if made != asked:
            cure = "move the folder away, or reproduce into another: --out OTHER"
            raise CheckpointError("the encoder was pretrained with other settings", where=str(self.folder), cure=cure)
        return True

    def command(self) -> list[str]:
        """``otmel pretrain``'s words. Not for an encoder of a system's own kind, which ``make`` makes."""
        assert self.folder is not None
        assert self.data is not None
        sets = [word for setting in self.settings for word in ("--set", setting)]
        return ["pretrain", str(self.data.folder), "--out", str(self.folder), *sets]

    def make(self) -> None:
        """Write an encoder of the system's own kind, in random weights, over its towers' tokenizer and image size."""
        assert self.folder is not None
        assert self.system is not None
        assert self.towers is not None
        with atomic_folder(self.folder) as folder:
            self.system.small_encoder(Path(self.towers.place), folder)


def encoder_of(request: Request, data: Data, system: System) -> Encoder:
    """The encoder of a system's runs on a data set."""
    given = request.encoders.get(system.name)
    if given is not None:
        return Encoder(given, _absolute(given))
    towers = _towers(request, data)
    if not request.scale.trains_encoder(system):
        return towers or Encoder(system.encoder, system.encoder)
    assert towers is not None
    folder = request.out.resolve() / "encoders" / f"{data.name}-{system.name}"
    return Encoder(folder.name, str(folder), folder, towers, system)


def _towers(request: Request, data: Data) -> Encoder | None:
    """What serves every system over two towers: given, or pretrained on the data; ``None`` for published ones."""
    given = request.encoders.get("")
    if given is not None:
        return Encoder(given, _absolute(given))
    if request.scale.name != "tiny":
        return None
    folder = request.out.resolve() / "encoders" / data.name
    return Encoder(data.name, str(folder), folder, data=data, settings=pretraining(data.is_world))


def named_encoders(given: tuple[str, ...]) -> dict[str, str]:
    """``--encoder`` as typed: ``PLACE`` for all systems over two towers, or ``SYSTEM=PLACE`` for one.

    Raises:
        ConfigurationError: an unknown system, or two encoders for the same.
    """
    found: dict[str, str] = {}
    for one in given:
        name, equals, place = one.partition("=")
        if not equals or Path(one).exists():
            name, place = "", one
        elif name not in SYSTEMS:
            raise ConfigurationError(f"there is no system {name!r}", where="--encoder", cure=nearest(name, SYSTEMS))
        if name in found:
            raise ConfigurationError(f"two encoders are named for {name or 'all'}", where="--encoder")
        found[name] = place
    return found


def check_at_hand(places: dict[str, str]) -> None:
    """Make sure that the encoders that are not made here can be read: row → place.

    Raises:
        CheckpointError: naming what to fetch, where to put it and what runs without.
    """
    missing: dict[str, str] = {}
    for row, place in places.items():
        for part in [place] if Path(place).exists() else place.split("+"):
            try:
                if part != "minilm":
                    read_pretrained(AutoConfig.from_pretrained, part, "the configuration of the encoder")
            except CheckpointError:
                missing[row] = part
    if not missing:
        return
    names = sorted(set(missing.values()))
    fetch = "; ".join(f"hf download {name}" if not is_folder(name) else f"no such folder: {name}" for name in names)
    rest = [name for name in places if name not in missing]
    without = f"without them run: {' '.join(f'--only {name}' for name in rest)}" if rest else "none runs without them"
    raise CheckpointError(
        f"the pretrained encoders of {', '.join(missing)} are not on this machine",
        cure=f"where there is a network: {fetch}; or place one in a folder: --encoder SYSTEM=FOLDER; {without}; "
        "or at the scale tiny, which needs none",
    )


def _absolute(encoder: str) -> str:
    """As ``otmel train`` has it: folders by their full path, other names as they are."""
    if Path(encoder).exists():
        return str(Path(encoder).resolve())
    return "+".join(str(Path(part).resolve()) if part and Path(part).exists() else part for part in encoder.split("+"))
