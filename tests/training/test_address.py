"""Where a run is trained; what becomes of it in a store is tested with one, in ``tests/remote/test_training.py``."""

from __future__ import annotations

from pathlib import Path

import pytest

from otmel.errors import ConfigurationError
from otmel.training import address
from otmel.training.address import RunFolder, run_folder


def test_a_path_is_trained_in_where_it_is_and_sent_nowhere(tmp_path: Path) -> None:
    with run_folder(tmp_path / "run") as folder, run_folder(folder) as same:
        assert folder == same == RunFolder(tmp_path / "run")
        folder.send(ended=True)
    assert list(tmp_path.iterdir()) == []


def test_processes_that_do_not_see_the_first_ones_folder_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "work" / "run", tmp_path / "there" / "run"
    here.mkdir(parents=True)
    assert address._shared(here) == here
    assert list(here.parent.iterdir()) == [here]
    monkeypatch.setattr(address, "agreed", lambda value: (there, "a token"))  # as a first process elsewhere says
    with pytest.raises(ConfigurationError, match=f"not every process sees {there.parent}") as caught:
        address._shared(None)
    assert "OTMEL_CACHE" in str(caught.value.cure)
