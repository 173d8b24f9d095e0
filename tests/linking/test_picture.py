"""The picture: every format, any size, and no label upon another."""

from __future__ import annotations

import itertools
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from otmel.errors import ConfigurationError, StorageError
from otmel.linking import Explanation, Linker
from otmel.linking.panels import shortened, telling_words, wrapped
from otmel.linking.picture import drawing, figure

from .conftest import image_axis, made_up, text_axis

SIZES = [(5, (6, 6)), (12, (7, 7)), (24, (5, 10)), (40, (7, 7)), (77, (7, 7)), (5, None), (40, None)]


def texts(figure: Figure) -> list[Text]:
    """Every text that is drawn and says something."""
    return [one for one in figure.findobj(Text) if one.get_visible() and one.get_text().strip()]  # type: ignore[attr-defined]


def drawn_figure(explanation: Explanation) -> tuple[Figure, FigureCanvasAgg]:
    with drawing():
        made = figure(explanation)
        canvas = FigureCanvasAgg(made)
        canvas.draw()
    return made, canvas


@pytest.mark.parametrize("tokens, grid", SIZES, ids=str)
def test_no_label_meets_another_and_none_leaves_the_page(tokens: int, grid: tuple[int, int] | None) -> None:
    made, canvas = drawn_figure(made_up(tokens, grid))
    assert min(one.get_fontsize() for one in texts(made)) >= 5.5
    boxes = [(one.get_text(), one.get_window_extent(canvas.get_renderer())) for one in texts(made)]
    width, height = made.get_size_inches() * made.dpi
    for said, box in boxes:
        assert box.x0 >= 0, said
        assert box.y0 >= 0, said
        assert box.x1 <= width, said
        assert box.y1 <= height, said
    for (one, first), (other, second) in itertools.combinations(boxes, 2):
        across = min(first.x1, second.x1) - max(first.x0, second.x0)
        down = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert min(across, down) < 2.0, (one, other)


@pytest.mark.parametrize("tokens, grid", SIZES, ids=str)
def test_no_panel_meets_another(tokens: int, grid: tuple[int, int] | None) -> None:
    made, _ = drawn_figure(made_up(tokens, grid))
    for first, second in itertools.combinations([axes.get_position() for axes in made.axes], 2):
        assert not first.overlaps(second)


def test_every_token_of_a_plan_stands_beside_it() -> None:
    explanation = made_up(40)
    said = {one.get_text() for one in texts(drawn_figure(explanation)[0])}
    plan = explanation.plan("T")
    assert plan is not None
    assert {shortened(token) for token in (*plan.rows.tokens, *plan.columns.tokens)} <= said


def test_what_is_written_is_written_as_it_is() -> None:
    said = " ".join(one.get_text() for one in texts(drawn_figure(made_up(12))[0]))
    assert "$x$" in said
    assert "score 2.2667" in said
    assert "marginal error" in said
    assert "notes: mention not in its sentence" in said
    assert "no image" not in said
    assert "no image" in " ".join(one.get_text() for one in texts(drawn_figure(made_up(12, None))[0]))


def test_a_real_explanation_is_drawn_in_every_format(linker: Linker, tiny, tmp_path: Path) -> None:
    explanation = linker.explain(tiny.split("dev")[0])
    heads = {"a.png": b"\x89PNG", "a.svg": b"<?xml", "a.pdf": b"%PDF", "a.html": b"<!doctype html>"}
    for name, head in heads.items():
        explanation.save(tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(head)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width == 1632
        assert np.asarray(picture.convert("L")).std() > 10


@pytest.mark.parametrize("variant", ["f2", "m2"])
def test_a_model_of_fewer_parts_has_fewer_panels(variant: str, linker_of, tiny) -> None:
    mention = tiny.split("dev")[0]
    full = drawn_figure(linker_of("ot").explain(mention, "Q4"))[0]
    made = drawn_figure(linker_of(variant).explain(mention, "Q4"))[0]
    said = {one.get_text() for one in texts(made)}
    assert len(made.axes) < len(full.axes)
    assert ("F  mention image → mention text" in said) is (variant == "m2")
    assert ("T  mention text → entity text" in said) is (variant == "f2")
    assert {"mention image", "entity image", "score"} <= said


def test_the_same_explanation_gives_the_same_bytes(tmp_path: Path) -> None:
    for suffix in ("png", "svg", "pdf"):
        for name in ("first", "second"):
            made_up(5).save(tmp_path / f"{name}.{suffix}")
        assert (tmp_path / f"first.{suffix}").read_bytes() == (tmp_path / f"second.{suffix}").read_bytes()


def test_names_in_any_script_are_drawn_without_a_warning(tmp_path: Path) -> None:
    explanation = made_up(5)
    explanation = replace(explanation, mention=replace(explanation.mention, name="中文 😀 $", context="中文 😀 $ ^_"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explanation.save(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.gif", "a"])
def test_an_unknown_suffix_names_the_known_ones(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        made_up(5).save(tmp_path / name)
    assert ".png, .svg, .pdf, .html" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(StorageError):
        made_up(5).save(tmp_path / "folder.png")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


def test_the_telling_words_are_the_concentrated_ones_in_their_order() -> None:
    explanation = made_up(8)
    plan = explanation.plan("F", "mention", "text")
    assert plan is not None
    matrix = np.full(plan.matrix.shape, 1.0)
    matrix[4, 7], matrix[2, 30], matrix[0, 3], matrix[7, 3] = 50, 90, 999, 999  # the last two are special tokens
    chosen = telling_words(replace(plan, matrix=matrix / matrix.sum()), 2)
    assert [text for text, _ in chosen] == ["token2", "token4"]
    for _, lift in chosen:
        assert lift.shape == (6, 6)
        assert lift.mean() == pytest.approx(1)
    assert np.unravel_index(chosen[0][1].argmax(), (6, 6)) == divmod(30 - 1, 6)


def test_a_word_of_several_tokens_has_their_mass_together() -> None:
    plan = made_up(6).plan("F", "mention", "text")
    assert plan is not None
    rows = replace(text_axis("mention", 6), words=(("joined", (1, 3)),))
    ((_, lift),) = telling_words(replace(plan, rows=rows), 4)
    mass = plan.matrix[[1, 3], 1:].sum(0)
    np.testing.assert_allclose(lift.ravel(), mass / mass.mean())
    assert plan.columns == image_axis("mention", (6, 6))


def test_long_texts_are_cut_with_a_mark() -> None:
    assert wrapped("one two three four five", 8, 2).splitlines()[-1].endswith("…")
    assert wrapped("", 8, 2) == ""
    assert shortened("incomprehensibilities") == "incomprehensi…"
    assert shortened("short") == "short"
