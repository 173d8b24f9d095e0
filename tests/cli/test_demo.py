"""``otmel demo`` from end to end on a small world, and what it makes of what is there already."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from otmel.cli.main import main
from otmel.data.world import WorldSettings, write_world

SYSTEMS = {"OT-MEL (transport)", "ATT (attention)", "name match alone"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_encoder) -> Path:
    """A demo whose world and encoder stood there already, as after an interruption."""
    out = tmp_path_factory.mktemp("demo") / "demo"
    settings = WorldSettings(entities=24, train=80, dev=8, test=24, unseen=0, captions=0, image_size=24)
    write_world(settings, out / "world")
    shutil.copytree(tiny_encoder, out / "encoder")
    assert main(["demo", "--out", str(out), "--json"]) == 0
    return out


def test_everything_it_promises_is_there(finished, capsys):
    before = (finished / "runs" / "ot" / "model.safetensors").read_bytes()
    assert main(["demo", "--out", str(finished), "--json"]) == 0
    captured = capsys.readouterr()
    made = json.loads(captured.out)
    assert set(made["table"]) == SYSTEMS
    for slices in made["table"].values():
        assert set(slices) == {"overall", "single object", "several objects"}
        assert (
            slices["overall"]["mentions"] >= slices["single object"]["mentions"] + slices["several objects"]["mentions"]
        )
    assert len(made["links"]) == 3
    assert Path(made["picture"]).read_bytes().startswith(b"\x89PNG")
    page = Path(made["page"]).read_text()
    outside, pictures = re.subn(r"src='data:image/png;base64,[^']+'", "", page)
    assert pictures == 3
    # Looked for outside the pictures alone: their base64 spells any four letters now and then.
    for sign in ("http", "src=", "url("):
        assert sign not in outside
    # What stood there was used again: no weight has changed.
    assert (finished / "runs" / "ot" / "model.safetensors").read_bytes() == before


def test_it_says_what_to_type_next_and_claims_no_winner(finished, capsys):
    assert main(["demo", "--out", str(finished)]) == 0
    captured = capsys.readouterr()
    assert "Now type" in captured.out
    assert "linking three mentions" in captured.err
    assert "separated" in captured.err
    for word in ("better", "wins", "beats", "outperform"):
        assert word not in captured.out + captured.err
