import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from otmel.data import check_images
from otmel.data.check_images import FLAT, alike, look_at, perceptual_hash
from otmel.data.images import open_image
from otmel.data.world import Emblem, Scene, WorldSettings, draw

HASHES = st.lists(st.none() | st.integers(0, 2**64 - 1), max_size=8)


def picture(seed: int) -> Image.Image:
    return draw(Scene((Emblem(seed % 6, seed % 5, seed % 4, seed % 3),) * 4, str(seed)), WorldSettings()).image


def distance(one: int | None, two: int | None) -> int:
    assert one is not None
    assert two is not None
    return bin(one ^ two).count("1")


def test_the_hash_bears_a_change_of_size_and_light_but_not_of_picture():
    for seed in range(8):
        image = picture(seed)
        look = perceptual_hash(image)
        assert distance(look, perceptual_hash(image.resize((96, 96)))) <= 6
        assert distance(look, perceptual_hash(ImageEnhance.Brightness(image).enhance(0.9))) <= 6
        assert distance(look, perceptual_hash(picture(seed + 100))) > 10


def test_a_picture_of_one_colour_has_no_look_but_can_be_used():
    (seen,) = look_at([Image.new("RGB", (40, 40), "red")])
    assert (seen.fault, seen.look, seen.usable) == (FLAT, None, True)


def test_a_source_that_occurs_twice_is_opened_once(tmp_path):
    path, steps = tmp_path / "a.png", []
    picture(1).save(path)
    one, two, three = look_at([path, str(path), tmp_path / "none.png"], lambda *step: steps.append(step))
    assert one is two
    assert one.usable
    assert three.fault == "image missing"
    assert not three.usable
    assert steps == [(1, 2), (2, 2)]


def test_who_interrupts_does_not_wait_for_the_rest(monkeypatch):
    opened = []

    def counting(source):
        opened.append(source)
        return open_image(source)

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(check_images, "open_image", counting)
    with pytest.raises(KeyboardInterrupt):
        look_at([picture(number) for number in range(400)], interrupt)
    assert len(opened) < 400


@given(looks=HASHES, known=HASHES, flips=st.integers(0, 3), bits=st.lists(st.integers(0, 63), unique=True, max_size=5))
def test_alike_is_the_definition(looks, known, flips, bits):
    if looks and looks[0] is not None:  # a near miss or hit, which chance would hardly give
        known = [*known, looks[0] ^ sum(1 << bit for bit in bits)]
    near = [
        look is not None and any(other is not None and distance(look, other) <= flips for other in known)
        for look in looks
    ]
    assert alike(looks, known, flips) == near


def test_alike_works_in_pieces():
    looks = list(range(1000))
    assert alike(looks, [0], 1) == [value == 0 or value & (value - 1) == 0 for value in looks]
