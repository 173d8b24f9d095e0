"""Errors that travel between processes stay what they are."""

from __future__ import annotations

import pickle
from unittest.mock import patch

import pytest

from otmel import errors
from otmel.cluster import refusal
from otmel.cluster.refusal import Refusal, accepted, refusing
from otmel.cluster.sameness import Versions, check_shared
from otmel.errors import ConfigurationError, DataError, ImageError, MissingExtra, StorageError

pytest.importorskip("ray")

FAULTS = [
    DataError("bad row", where="m.jsonl: line 3", cure="mend it"),
    ImageError("unreadable", "no image", where="a.png"),
    MissingExtra("faiss", "candidates", "--search candidates"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_a_refusal_is_the_error_again(fault):
    @refusing
    def work() -> int:
        raise fault

    with patch.object(refusal, "this_node", lambda: "10.0.0.7"):
        answer = pickle.loads(pickle.dumps(work()))
    with pytest.raises(type(fault)) as found:
        accepted(answer)
    assert found.value.problem == f"{fault.problem} (on the node 10.0.0.7)"
    assert (found.value.where, found.value.cure) == (fault.where, fault.cure)


def test_what_is_no_refusal_is_the_answer():
    assert accepted(refusing(lambda number: number + 1)(4)) == 5


def test_an_error_of_an_unknown_kind_is_still_ours():
    assert isinstance(Refusal("Unheard", "odd", None, None).error, errors.OtmelError)


def test_all_versions_that_differ_are_named():
    own = Versions.here()
    own.check("here")
    other = Versions("0.0.1", own.ray, "2.7", own.torch, own.transformers)
    with pytest.raises(ConfigurationError, match=r"otmel is .* and 0\.0\.1 at the driver, python is .* and 2\.7 at"):
        other.check("10.0.0.7")


def test_a_folder_that_is_not_shared(tmp_path):
    check_shared(tmp_path, "here")
    with pytest.raises(StorageError, match=r"is not to be seen here"):
        check_shared(tmp_path / "absent", "10.0.0.7")
