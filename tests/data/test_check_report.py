import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otmel.data.check_report import Distribution


@given(st.lists(st.integers(0, 50), min_size=1, max_size=60))
def test_a_distribution_counts_every_number(numbers):
    shape = Distribution.of(numbers)
    assert shape.total == sum(shape.counts.values()) == len(numbers)
    assert shape.mean == pytest.approx(np.mean(numbers))
    assert shape.median == np.quantile(numbers, 0.5, method="inverted_cdf")
    assert shape.median <= shape.p90 <= shape.largest == max(numbers)
    assert np.mean(np.array(numbers) <= shape.p90) >= 0.9


def test_a_distribution_of_nothing_is_empty():
    assert Distribution.of([]).total == 0
