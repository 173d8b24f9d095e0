"""What a segment holds, whatever its entities have."""

from __future__ import annotations

import pytest
import torch

from otmel.index.packing import packed, vectors


@pytest.mark.parametrize("name", ["PAPER", "RELEASED", "default"])
def test_a_segment_without_any_image_has_the_columns_of_all_others(make_case, name):
    case = make_case(name)
    composition, state = case.model.composition(), case.entities
    whole = packed(state, torch.arange(70), composition)
    blind = torch.nonzero(~state.has_image).flatten()
    bare = packed(state[blind], torch.arange(len(blind)), composition)
    assert not bare.has_image.any()
    for part, late in bare.late.items():
        assert late.described.shape[1] == whole.late[part].described.shape[1]
        assert late.target.shape[1] == whole.late[part].target.shape[1]
    assert len(bare.late["V"].blocks) == len(bare.late["V"].described) == 0


@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_norms_are_upper_bounds_of_what_is_stored(precision):
    matrix = torch.randn(50, 17, generator=torch.Generator().manual_seed(0)) * torch.logspace(-3, 3, 50).unsqueeze(1)
    stored = vectors(matrix, precision)
    assert (stored.rows().double().norm(dim=1) <= stored.norms.double()).all()
    step = {"float32": 0, "float16": 1e-3, "int8": 1 / 127}[precision]
    torch.testing.assert_close(stored.rows(), matrix, rtol=0, atol=step * float(matrix.abs().max()) + 1e-9)
