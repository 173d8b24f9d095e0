from __future__ import annotations

import io
import os
import struct
import threading
import time
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from otmel.data.images import KINDS, open_image, resolve_image, try_open
from otmel.errors import ImageError

KINDS_OF_FILE = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")


def gradient(width=40, height=30):
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, 255 - x], axis=-1).astype(np.uint8))


def outcome(source):
    """The image, or the reason why there is none."""
    try:
        return open_image(source)
    except ImageError as fault:
        return fault.reason


def reason(source, **options):
    with pytest.raises(ImageError) as caught:
        open_image(source, **options)
    return caught.value.reason


@pytest.mark.parametrize("kind", KINDS_OF_FILE)
def test_every_format_comes_back_as_rgb_of_the_same_size_and_colours(kind, encode, tmp_path):
    path = tmp_path / "picture"
    path.write_bytes(encode(gradient(), kind))
    for source in (path, str(path), path.read_bytes()):
        image = open_image(source)
        assert (image.mode, image.size) == ("RGB", (40, 30))
        error = np.abs(np.asarray(image, float) - np.asarray(gradient(), float)).mean()
        assert error < (12 if kind == "GIF" else 6)


def test_an_opened_image_is_converted_and_left_as_it_was():
    source = Image.new("L", (4, 3), 77)
    assert open_image(source).getpixel((0, 0)) == (77, 77, 77)
    assert source.mode == "L"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation, encode):
    upright = Image.new("RGB", (32, 16), (255, 255, 255))
    upright.paste((200, 0, 0), (0, 0, 16, 8))
    # The transform that undoes each orientation, stated by the EXIF standard.
    stored = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    image = upright if stored is None else upright.transpose(stored)
    exif = Image.Exif()
    exif[0x0112] = orientation
    opened = open_image(encode(image, "PNG", exif=exif))
    assert opened.size == (32, 16)
    assert np.array_equal(np.asarray(opened), np.asarray(upright))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("exif", [b"II*\0\xff\xff\xff\x7f", b"no TIFF at all", b"II*\0\x08\0\0\0\x05\0"])
def test_exif_that_cannot_be_read_states_no_orientation(kind, exif, encode):
    assert open_image(encode(gradient(), kind, exif=b"Exif\0\0" + exif)).size == (40, 30)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_laid_on_white(mode, encode):
    colour = (0, 0, 0, 0) if mode == "RGBA" else (0, 0)
    assert open_image(encode(Image.new(mode, (3, 3), colour))).getpixel((1, 1)) == (255, 255, 255)
    half = (0, 0, 0, 128) if mode == "RGBA" else (0, 128)
    assert open_image(encode(Image.new(mode, (3, 3), half))).getpixel((1, 1)) == (127, 127, 127)


def test_transparent_palette_colour_is_laid_on_white(encode):
    image = Image.new("P", (4, 4), 0)
    image.putpalette([10, 20, 30, 200, 100, 50] + [0] * 750)
    image.putpixel((1, 1), 1)
    opened = open_image(encode(image, "PNG", transparency=0))
    assert opened.getpixel((0, 0)) == (255, 255, 255)
    assert opened.getpixel((1, 1)) == (200, 100, 50)


def test_cmyk_is_converted(encode):
    opened = open_image(encode(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95))
    red, green, blue = opened.getpixel((8, 8))
    assert red > 240
    assert max(green, blue) < 40


@given(st.lists(st.integers(0, 65535), min_size=4, max_size=4))
@settings(max_examples=30, deadline=None)
def test_sixteen_bit_grey_is_scaled_not_clipped(values):
    data = io.BytesIO()
    Image.fromarray(np.array(values, dtype=np.uint16).reshape(2, 2)).save(data, "PNG")
    opened = np.asarray(open_image(data.getvalue()))[..., 0].ravel()
    assert np.abs(opened - np.array(values) / 257).max() <= 0.5 + 1e-9


def test_floating_point_grey_is_stretched_and_nan_is_black(encode):
    values = np.array([[0.0, 0.5], [1.0, np.nan]], dtype=np.float32)
    opened = np.asarray(open_image(encode(Image.fromarray(values), "TIFF")))[..., 0]
    assert opened[0, 0] == 0
    assert opened[1, 1] == 0
    assert opened[1, 0] == 255
    assert opened[0, 1] in (127, 128)


def test_an_animation_gives_its_first_frame(encode):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((250, 0, 0), (0, 250, 0), (0, 0, 250))]
    for kind in ("GIF", "WEBP", "TIFF", "PNG"):
        options = {"lossless": True} if kind == "WEBP" else {}
        data = encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert open_image(data).getpixel((4, 4)) == (250, 0, 0), kind


def test_ten_thousand_frames_are_not_walked_through(encode):
    gif = encode(Image.new("P", (64, 64), 3), "GIF")
    start = gif.index(b",")
    frame = gif[start:-1]
    webp = encode(Image.new("RGB", (64, 64)), "WEBP", save_all=True, append_images=[gradient(64, 64)], lossless=True)
    chunk = webp[webp.rindex(b"ANMF") :]
    many = webp + chunk * 10_000
    many = many[:4] + struct.pack("<I", len(many) - 8) + many[8:]
    for data in (gif[:start] + frame * 10_000 + b";", many):
        began = time.perf_counter()
        assert open_image(data).size == (64, 64)
        assert time.perf_counter() - began < 1.0


def png_header(width, height):
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return start + struct.pack(">I", 1000) + b"IDAT" + zlib.compress(bytes(100))


def bombs(encode):
    side = 60_000
    gif = bytearray(encode(Image.new("P", (4, 4)), "GIF"))
    gif[6:10] = struct.pack("<HH", side, side)
    bmp = bytearray(encode(Image.new("RGB", (4, 4)), "BMP"))
    bmp[18:26] = struct.pack("<ii", side, side)
    canvas = (side - 1).to_bytes(3, "little") * 2
    webp = b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<I", 10) + b"\x12\0\0\0" + canvas
    tiff = bytearray(encode(Image.new("L", (4, 4)), "TIFF"))
    for tag in (256, 257):
        at = tiff.index(struct.pack("<H", tag) + struct.pack("<H", 4))
        tiff[at + 8 : at + 12] = struct.pack("<I", side)
    return {"PNG": png_header(side, side), "GIF": bytes(gif), "BMP": bytes(bmp), "WEBP": webp, "TIFF": bytes(tiff)}


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "WEBP", "TIFF"])
def test_a_bomb_is_refused_from_its_header(kind, encode):
    data = bombs(encode)[kind]
    began = time.perf_counter()
    assert reason(data) == "too many pixels"
    assert time.perf_counter() - began < 0.5


def test_the_cap_is_the_callers(encode):
    data = encode(gradient(40, 30))
    assert open_image(data, max_pixels=1200).size == (40, 30)
    assert reason(data, max_pixels=1199) == "too many pixels"
    assert reason(gradient(40, 30), max_pixels=1199) == "too many pixels"


def test_an_image_above_pillows_own_warning_is_refused_without_a_warning():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert reason(png_header(10_000, 9_500)) == "too many pixels"
    assert not caught


@pytest.mark.parametrize("kind", KINDS_OF_FILE)
def test_a_file_cut_anywhere_is_refused_or_whole(kind, encode):
    data = encode(gradient(20, 14), kind)
    whole = np.asarray(open_image(data))
    for cut in range(0, len(data), max(1, len(data) // 60)):
        result = outcome(data[:cut])
        if isinstance(result, str):
            assert result in (("truncated", "broken") if cut > len(data) // 2 else KINDS)
        else:  # what was cut off was no picture data
            assert np.array_equal(np.asarray(result), whole)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP"])
def test_a_cut_file_is_called_truncated(kind, encode):
    data = encode(gradient(), kind)
    assert reason(data[: len(data) * 2 // 3]) == "truncated"


@given(
    st.binary(min_size=1, max_size=200), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8\xff", b"BM"])
)
@settings(max_examples=150, deadline=None)
def test_no_bytes_raise_anything_but_an_image_error(tail, head):
    result = outcome(head + tail)
    assert result in KINDS if isinstance(result, str) else result.mode == "RGB"


def test_reasons_of_files(tmp_path):
    empty, text, folder = tmp_path / "empty.jpg", tmp_path / "text.jpg", tmp_path / "folder.jpg"
    empty.touch()
    text.write_text("<html>404</html>")
    folder.mkdir()
    assert reason(empty) == "empty file"
    assert reason(b"") == "empty file"
    assert reason(text) == "not an image"
    assert reason(b"\x89PNG\r\n\x1a\n???") == "broken"
    assert reason(folder) == "unreadable"
    assert reason(tmp_path / "absent.jpg") == "missing"
    assert reason("nul\0name.jpg") == "unreadable"


def test_formats_that_run_programs_are_no_images(tmp_path):
    assert reason(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n") == "not an image"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    assert reason(tmp_path / "pipe.jpg") == "unreadable"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_without_the_right_to_read(tmp_path, encode):
    path = tmp_path / "locked.png"
    path.write_bytes(encode(gradient()))
    path.chmod(0)
    assert reason(path) == "unreadable"


def test_an_opened_image_whose_file_is_gone_is_broken(tmp_path, encode):
    path = tmp_path / "picture.png"
    path.write_bytes(encode(gradient()))
    with Image.open(path) as image:
        pass
    assert reason(image) == "broken"


def test_try_open_counts_the_reason_and_goes_on(tmp_path, findings, encode):
    assert try_open(tmp_path / "absent.png", findings, "row 3") is None
    assert try_open(b"", findings, "row 4") is None
    image = try_open(encode(gradient()), findings, "row 5")
    assert image is not None
    assert findings.counts == {"image missing": 1, "image file empty": 1}
    assert findings.examples["image missing"] == ["row 3"]


def test_threads_leave_the_warning_filters_as_they_were(encode):
    data, before = encode(gradient(200, 200)), list(warnings.filters)
    threads = [threading.Thread(target=lambda: [open_image(data) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("", "image not stated"),
        ("absent.png", "image missing"),
        ("sub", "image missing"),
        ("/etc/hostname", "image outside its folder"),
        ("../secret.png", "image outside its folder"),
        ("sub/../../secret.png", "image outside its folder"),
        ("..\\secret.png", "image outside its folder"),
        ("C:\\secret.png", "image outside its folder"),
        ("link.png", "image outside its folder"),
        ("https://example.org/a.png", "image is an address, not fetched"),
        ("nul\0.png", "image missing"),
        ("\ud800.png", "image missing"),
        ("x" * 5000, "image missing"),
    ],
)
def test_names_that_resolve_to_nothing(name, kind, tmp_path, findings):
    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "secret.png").write_bytes(b"x")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    assert resolve_image(folder, name, findings, "row 1") is None
    assert findings.counts == {kind: 1}


def test_names_that_resolve(tmp_path, findings):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.b.png").write_bytes(b"x")
    (tmp_path / "link.png").symlink_to(tmp_path / "sub" / "a.b.png")
    for name in ("sub/a.b.png", "link.png"):
        path = resolve_image(tmp_path, name, findings, "row 1")
        assert path is not None
        assert path.is_absolute()
        assert path.read_bytes() == b"x"
    assert not findings
