import pytest

from otmel.errors import ConfigurationError
from otmel.inputs import InputSettings
from otmel.settings import overridden, validated


def test_defaults_are_those_of_the_paper():
    settings = InputSettings()
    assert (settings.wording, settings.mention_length, settings.entity_text) == ("pair", 40, ("attributes",))


def test_unknown_keys_and_values_are_refused():
    with pytest.raises(ConfigurationError, match="mention_length"):
        validated(InputSettings, {"mention_lenght": 30})
    with pytest.raises(ConfigurationError, match="entity_text"):
        validated(InputSettings, {"entity_text": ["names"]})
    with pytest.raises(ConfigurationError, match="mention_length"):
        validated(InputSettings, {"mention_length": 2})


def test_settings_survive_json():
    settings = overridden(InputSettings(), ['entity_text=["aliases", "attributes"]', "window=false"])
    assert validated(InputSettings, settings.model_dump(mode="json")) == settings
