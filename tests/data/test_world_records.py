import pytest

from otmel.data.world import WorldSettings
from otmel.errors import ConfigurationError
from otmel.settings import validated


@pytest.mark.parametrize(
    "values",
    [
        {"object_shares": (0, 0, 0, 0)},
        {"object_shares": (1, -1, 1, 1)},
        {"held_out": 0.0},
        {"entities": 4, "held_out": 1.0},
        {"nil": 1.5},
        {"first_names": 25},
        {"entitys": 3},
    ],
)
def test_impossible_settings_are_refused(values):
    with pytest.raises(ConfigurationError):
        validated(WorldSettings, values)
