from __future__ import annotations

import pytest

from otmel.data.image_folder import FOLDER_NAMES, ImageFolder


@pytest.fixture
def root(tmp_path):
    for name in ("mention_image/a.jpg", "mention_image/b.c.jpg", "mention_image/sub/d.jpg", "secret.jpg"):
        path = tmp_path / "set" / name if name != "secret.jpg" else tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    (tmp_path / "set" / "mention_image" / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    (tmp_path / "set" / "mention_image" / "in.jpg").symlink_to("a.jpg")
    (tmp_path / "set" / "mention_image" / "gone.jpg").symlink_to("nowhere.jpg")
    return tmp_path / "set"


def test_what_is_there_is_found_as_an_absolute_path_without_a_finding(root, findings):
    images = ImageFolder(root, "mention", findings)
    for name in ("a.jpg", "in.jpg", "sub/d.jpg"):
        path = images.find([name], "row 1")
        assert path is not None
        assert path.is_absolute()
        assert path.is_file()
    assert not findings


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("absent.jpg", "image missing"),
        ("gone.jpg", "image missing"),
        ("sub", "image missing"),
        ("sub/absent.jpg", "image missing"),
        ("out.jpg", "image outside its folder"),
        ("../../secret.jpg", "image outside its folder"),
        ("/etc/hostname", "image outside its folder"),
        ("nul\0.jpg", "image missing"),
    ],
)
def test_what_is_not_there_is_counted_with_its_row(root, name, kind, findings):
    assert ImageFolder(root, "mention", findings).find([name], "x_dev.json: row 4") is None
    assert findings.counts == {kind: 1}
    assert findings.examples[kind] == [f"x_dev.json: row 4: {name!r}"]


def test_the_stated_name_is_a_fallback_that_is_counted(root, findings):
    images = ImageFolder(root, "mention", findings)
    found = images.find(["b.jpg", "b.c.jpg"], "row 2")
    assert found is not None
    assert found.name == "b.c.jpg"
    assert findings.counts == {"image found by its whole name": 1}


@pytest.mark.parametrize("side", ["entity", "mention"])
def test_every_alias_is_found_and_named(side, tmp_path, findings):
    own, *others = FOLDER_NAMES[side]
    for alias in [*others, own.upper()]:
        root = tmp_path / alias / "set"
        (root / alias).mkdir(parents=True)
        (root / alias / "a.jpg").touch()
        findings.counts.clear()
        findings.examples.clear()
        assert ImageFolder(root, side, findings).find(["a.jpg"], "row 0") == root / alias / "a.jpg"
        assert findings.counts == {"image folder under another name": 1}
        assert f"{alias}/ is used for {own}/" in findings.examples["image folder under another name"][0]


def test_with_two_folders_the_formats_own_name_goes_first(root, findings):
    (root / "mention_images").mkdir()
    for name in ("a.jpg", "only.jpg"):
        (root / "mention_images" / name).write_bytes(b"other")
    images = ImageFolder(root, "mention", findings)
    assert images.find(["a.jpg"], "row 0") == root / "mention_image" / "a.jpg"
    assert images.find(["only.jpg"], "row 1") == root / "mention_images" / "only.jpg"


def test_no_folder_says_what_was_looked_for(tmp_path, findings):
    assert ImageFolder(tmp_path, "mention", findings).find(["a.jpg"], "row 0") is None
    assert findings.counts == {"image folder missing": 1, "image missing": 1}
    assert "mention_images" in findings.examples["image folder missing"][0]


def test_what_lies_beside_the_folders_is_not_looked_at(root, findings):
    (root / "broken").symlink_to("x" * 300)  # no file system can follow it
    (root / "mention_images").write_text("a file of an image folder's name")
    assert ImageFolder(root, "mention", findings).find(["a.jpg"], "row 1") == root / "mention_image" / "a.jpg"
    assert not findings
