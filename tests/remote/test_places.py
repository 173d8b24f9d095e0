"""What is a path, and what is an address."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otmel.errors import ConfigurationError
from otmel.remote.places import Uri, is_remote, placed

PARTS = st.lists(st.text("abcXYZ019._- é=", min_size=1, max_size=8).filter(lambda part: part.strip(".")), min_size=1)


@settings(max_examples=30)
@given(parts=PARTS)
def test_an_address_keeps_every_character_and_a_path_of_it_comes_back(parts: list[str]) -> None:
    text = f"s3://bucket/{'/'.join(parts)}"
    assert placed(text) == Uri(text)
    assert placed(f"{text}/") == Uri(text)
    assert placed(Path(text)) == Uri(text)  # a path has lost a slash of it
    assert is_remote(text)


@settings(max_examples=30)
@given(parts=PARTS)
def test_its_parts_are_those_of_a_path(parts: list[str]) -> None:
    path, uri = Path("/bucket", *parts), Uri("s3://bucket")
    for part in parts:
        uri = uri / part
    assert (uri.name, uri.stem, uri.suffix) == (path.name, path.stem, path.suffix)
    assert uri.parent / uri.name == uri


@pytest.mark.parametrize("text", ["graph.kg", "/data/graph.kg", "C:/data", "a:b", "./s3:/x/y", "-"])
def test_everything_else_is_a_path(text: str) -> None:
    assert placed(text) == Path(text)


def test_a_folder_that_looks_like_an_address_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s3:/bucket").mkdir(parents=True)
    assert placed(Path("s3:/bucket")) == Path("s3:/bucket")


def test_file_is_a_path_and_other_spellings_of_a_scheme_are_one() -> None:
    assert placed("file:///data/my%20graph.kg") == Path("/data/my graph.kg")
    assert placed("S3A://bucket/x") == Uri("s3://bucket/x")
    assert placed("gcs://bucket/x") == Uri("gs://bucket/x")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("s3://", "names no bucket"),
        ("s3:///x", "names no bucket"),
        ("s3://bucket//x", "empty part"),
        ("s3://bucket/../x", "dots"),
        ("file://host/x", "names a machine"),
    ],
)
def test_what_cannot_be_understood_is_named(text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        placed(text)


@pytest.mark.parametrize("text", ["s3://key:hidden@bucket/x", "s3://bucket/x?secret_key=hidden"])
def test_credentials_in_an_address_are_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ConfigurationError, match="environment") as caught:
        placed(text)
    assert "hidden" not in str(caught.value)


def test_an_address_is_no_path() -> None:
    with pytest.raises(TypeError):
        Path(Uri("s3://bucket/x"))  # pyright: ignore[reportArgumentType]
