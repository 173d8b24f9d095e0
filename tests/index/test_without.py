"""An index without some rows answers as one that never had them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from otmel.index.answers import Query
from otmel.index.index import EntityIndex


@pytest.mark.parametrize("method", ["auto", "bounds", "scan"])
@pytest.mark.parametrize("gone", [[], [3], [0, 5, 6, 7, 41, 69], list(range(65))], ids=len)
def test_it_is_the_index_of_the_other_entities(make_case, gone, method):
    case = make_case("default")
    composition = case.model.composition()
    kept = np.array([row for row in range(len(case.entities)) if row not in gone])
    other = EntityIndex.of(case.entities[torch.from_numpy(kept)], composition)
    index = EntityIndex.of(case.entities, composition)
    less = index.without(gone)
    assert len(less) == len(kept)
    for one, two in zip(
        less.search(case.mentions, Query(8, method=method)),
        other.search(case.mentions, Query(8, method=method)),
        strict=True,
    ):
        assert one.rows.tolist() == kept[two.rows].tolist()
        np.testing.assert_allclose(one.scores, two.scores, rtol=1e-6, atol=1e-6)
    assert len(index) == len(case.entities)
