import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from otmel.data.world import Emblem, Scene, WorldSettings, draw

EMBLEMS = st.builds(Emblem, st.integers(0, 5), st.integers(0, 5), st.integers(0, 3), st.integers(0, 5))


@given(emblems=st.lists(EMBLEMS, min_size=1, max_size=4), seed=st.integers(0, 9999), size=st.integers(24, 96))
@settings(max_examples=40, deadline=None)
def test_every_object_has_its_own_box_inside_the_image(emblems, seed, size):
    picture = draw(Scene(tuple(emblems), str(seed), 0.5), WorldSettings(image_size=size))
    assert picture.image.size == (size, size)
    assert len(picture.boxes) == len(emblems)
    covered = np.zeros((size, size), int)
    for left, top, right, bottom in picture.boxes:
        assert 0 <= left < right <= size
        assert 0 <= top < bottom <= size
        covered[top:bottom, left:right] += 1
    assert covered.max() == 1


def test_boxes_are_tight():
    """Without noise, all that differs from the ground lies within the boxes and touches their sides."""
    plain = WorldSettings(pixel_noise=0.0)
    for seed in range(10):
        picture = draw(Scene((Emblem(seed % 6, 0, seed % 4, seed % 6),), str(seed)), plain)
        pixels = np.asarray(picture.image).astype(int)
        left, top, right, bottom = picture.boxes[0]
        ground = pixels[bottom - 1 if bottom < 48 else top - 1, 0 if left > 0 else 47]
        rows, columns = np.nonzero(np.abs(pixels - ground).sum(-1) > 3)
        assert left <= columns.min() <= left + 1
        assert right - 2 <= columns.max() < right
        assert top <= rows.min() <= top + 1
        assert bottom - 2 <= rows.max() < bottom


def test_emblems_that_differ_in_one_part_look_different():
    """Otherwise an attribute would be tied to nothing."""
    plain = WorldSettings(pixel_noise=0.0, jitter=0.0)

    def pixels(emblem: Emblem) -> np.ndarray:
        return np.asarray(draw(Scene((emblem,), "s"), plain).image).astype(int)

    first = Emblem(0, 0, 0, 0)
    for part, kinds in zip(Emblem._fields, (6, 6, 4, 6), strict=True):
        looks = [pixels(first._replace(**{part: kind})) for kind in range(kinds)]
        for a in range(kinds):
            for b in range(a):
                assert (np.abs(looks[a] - looks[b]).max(-1) > 30).sum() >= 12, (part, a, b)
