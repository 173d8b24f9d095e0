from dataclasses import fields

import numpy as np
import pytest

from otmel.data.token_track import TokenSet, TokenTrack, TokenTrackSettings, token_track
from otmel.errors import ConfigurationError
from otmel.settings import validated

SMALL = TokenTrackSettings(entities=30, train=40, dev=0, test=12, mention_without_image=0.2, nil=0.1)


@pytest.fixture(scope="module")
def track() -> TokenTrack:
    return token_track(SMALL)


def sets(track: TokenTrack) -> list[TokenSet]:
    return [track.entities, *track.splits.values()]


def test_shapes_types_and_masks(track):
    assert set(track.splits) == {"train", "test"}
    for features, n in zip(sets(track), (30, 40, 12), strict=True):
        length = features.text.shape[1]
        assert len(features) == n
        assert features.text.shape == (n, length, 64)
        assert features.text_mask.shape == (n, length)
        assert features.text_cls.shape == features.image_cls.shape == (n, 64)
        assert features.image.shape == (n, 17, 64)
        assert features.image_mask.shape == (n, 17)
        for field in ("text", "text_cls", "image", "image_cls"):
            values = getattr(features, field)
            assert values.dtype == np.float32
            assert np.isfinite(values).all()
        assert features.text_mask.any(1).all()
        assert (features.text[~features.text_mask] == 0).all()


def test_a_missing_image_is_masked_out_whole(track):
    for features in sets(track):
        absent = features.objects == 0
        assert (features.image_mask.any(1) == ~absent).all()
        assert (features.image_mask.all(1) == ~absent).all()
        assert (features.image[absent] == 0).all()
        assert (features.image_cls[absent] == 0).all()
    assert (track.splits["train"].objects == 0).any()


def test_gold_rows_point_at_the_named_entity(track):
    for features in track.splits.values():
        for gold, name in zip(features.gold, features.names, strict=True):
            if gold >= 0:
                assert name in track.entities.names[gold].split()
    assert (track.splits["train"].gold == -1).any()
    assert (track.entities.gold == np.arange(30)).all()


def test_the_same_settings_give_the_same_features(track):
    again = token_track(SMALL)
    for one, two in zip(sets(track), sets(again), strict=True):
        for field in fields(TokenSet):
            assert np.array_equal(getattr(one, field.name), getattr(two, field.name)), field.name
    other = token_track(SMALL.model_copy(update={"seed": 1}))
    assert not np.array_equal(other.entities.image_cls, track.entities.image_cls)


def test_without_noise_an_image_lies_in_the_span_of_its_attributes_and_the_ground():
    """Four attribute vectors, the ground and nothing else: rank 5 for one object."""
    clean = token_track(SMALL.model_copy(update={"noise": 0.0, "mention_without_image": 0.0}))
    single = np.flatnonzero(clean.splits["train"].objects == 1)
    assert len(single)
    for row in single:
        patches = clean.splits["train"].image[row, 1:].astype(np.float64)
        assert np.linalg.matrix_rank(patches, tol=1e-3) <= 5


def test_words_and_patches_share_a_space():
    """A team's word points towards the entities who wear its colour: text and image are aligned."""
    clean = token_track(SMALL.model_copy(update={"noise": 0.1, "attribute_dropped": 0.0, "entity_without_image": 0.0}))
    text, image = (side - side.mean(0) for side in (clean.entities.text_cls, clean.entities.image_cls))
    similar = text @ image.T
    ranks = (similar > np.diag(similar)[:, None]).sum(1)
    assert np.median(ranks) <= 3


def test_noise_makes_it_harder_and_a_hub_makes_all_alike():
    def reader(settings: TokenTrackSettings) -> float:
        """H@1 of an untrained sum of inner products over tokens: no training, so only the features decide."""
        track = token_track(settings)
        test, graph = track.splits["test"], track.entities
        scores = test.text_cls @ graph.text_cls.T + test.image_cls @ graph.image_cls.T
        return float((scores.argmax(1) == test.gold).mean())

    base = TokenTrackSettings(train=0, dev=0, test=200)
    easy, hard = (reader(base.model_copy(update={"noise": noise})) for noise in (0.2, 3.0))
    assert easy > hard + 0.05
    hub = token_track(SMALL.model_copy(update={"hub": 5.0})).entities
    plain = token_track(SMALL).entities

    def cosine(cls: np.ndarray) -> float:
        unit = cls / np.linalg.norm(cls, axis=1, keepdims=True)
        return float((unit @ unit.T).mean())

    assert cosine(hub.text_cls) > cosine(plain.text_cls) + 0.1


def test_patches_must_hold_four_objects():
    with pytest.raises(ConfigurationError, match="patches"):
        validated(TokenTrackSettings, {"patches": 15})


def test_the_default_track_is_of_the_calibrated_size():
    settings = TokenTrackSettings()
    assert (settings.entities, settings.train, settings.test) == (240, 1400, 500)
    assert (settings.first_names, settings.last_names) == (16, 40)
    track = token_track(settings)
    assert track.entities.image.shape == (240, 17, 64)
    assert (~track.entities.image_mask.any(1)).mean() == pytest.approx(0.05, abs=0.04)
