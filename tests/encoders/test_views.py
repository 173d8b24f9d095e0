"""Random views: what they may change, and what not."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from otmel.encoders.corpus import Text
from otmel.encoders.settings import ViewSettings
from otmel.encoders.views import learning_rate, view_of_images, view_of_text

STILL = ViewSettings(drop_attribute=0, drop_name=0, drop_word=0, zoom=0, turn=0, flip=0, light=0)
PERSON = Text("Bell", "Team: Lions. Face: round. Award: Palm", ("Annie",), entity=True)


@given(seed=st.integers(0, 10**6), drop=st.floats(0, 0.99))
def test_a_view_of_an_entity_says_nothing_that_the_entity_does_not(seed, drop):
    views = ViewSettings(drop_attribute=drop, drop_name=0.5)
    name, context = view_of_text(PERSON, views, np.random.default_rng(seed))
    parts = context.split(". ") if context else []
    assert set(parts) <= set(PERSON.context.split(". "))
    assert len(parts) == len(set(parts))
    assert name in ("Bell", "Annie", "")
    assert name or parts


def test_without_dropping_all_of_a_text_is_there():
    random = np.random.default_rng(0)
    assert view_of_text(Text("Bell", "Bell spoke  up"), STILL, random) == ("Bell", "Bell spoke up")
    _, context = view_of_text(PERSON, STILL, random)
    assert sorted(context.split(". ")) == sorted(PERSON.context.split(". "))


def test_words_are_dropped_at_their_rate():
    text = Text("Bell", "word " * 5_000)
    name, context = view_of_text(text, ViewSettings(drop_word=0.3), np.random.default_rng(0))
    assert name == "Bell"
    assert len(context.split()) == pytest.approx(3_500, rel=0.05)


def images(count: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (count, 12, 12, 3)).astype(np.uint8))


def test_still_views_are_the_images_themselves():
    expected = images(3).permute(0, 3, 1, 2).float() / 255
    assert torch.allclose(view_of_images(images(3), STILL, np.random.default_rng(0)), expected, atol=1e-5)


def test_a_flip_mirrors_left_and_right():
    always = STILL.model_copy(update={"flip": 1.0})
    expected = (images(3).permute(0, 3, 1, 2).float() / 255).flip(-1)
    assert torch.allclose(view_of_images(images(3), always, np.random.default_rng(0)), expected, atol=1e-5)


def test_views_stay_images_differ_and_repeat_with_the_seed():
    first, again, other = (view_of_images(images(4), ViewSettings(), np.random.default_rng(s)) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == (4, 3, 12, 12)
    assert 0 <= first.min() <= first.max() <= 1


def test_a_plain_image_stays_plain_but_for_its_light():
    plain = torch.full((8, 12, 12, 3), 100, dtype=torch.uint8)
    view = view_of_images(plain, ViewSettings(light=0.2), np.random.default_rng(0))
    assert (view.amax((1, 2, 3)) - view.amin((1, 2, 3))).max() < 1e-4
    assert (view.mean((1, 2, 3)) * 255 / 100 - 1).abs().max() <= 0.2 + 1e-4


def test_the_learning_rate_rises_and_falls():
    rates = [learning_rate(step, 100, 10, 1.0) for step in range(100)]
    assert rates[0] < rates[5] < rates[9]
    assert rates[9] == max(rates)
    assert rates[99] == pytest.approx(0.02, abs=1e-2)
    assert learning_rate(0, 100, 0, 1.0) == 1.0
