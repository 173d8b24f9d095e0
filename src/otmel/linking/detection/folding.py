"""Words with their places, folded so that case, accents and the form of a character make no difference."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Final

ALONE: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Kana and ideographs: these scripts put no space between words, so every character is a word."""
ACCENTS: Final = re.compile("[\u0300-\u036f]+")
"""Marks over Latin, Greek and Cyrillic letters; the vowel signs of other scripts are no accents."""


def words(text: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and folded form of every word: letters, digits and their marks; punctuation parts words."""
    if text.isascii():
        text = text.lower()
        return ((*found.span(), found.group()) for found in _ascii().finditer(text))
    return ((*found.span(), folded(found.group())) for found in _pattern().finditer(text))


@lru_cache(maxsize=1 << 16)
def folded(word: str) -> str:
    """A word in Unicode's compatible form (NFKC), without case and accents: ``Ⅻ`` → ``xii``, ``É`` → ``e``."""
    if word.isascii():
        return word.lower()
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", word).casefold())
    return unicodedata.normalize("NFKC", ACCENTS.sub("", apart))


@cache
def _ascii() -> re.Pattern[str]:
    return re.compile(r"[a-z0-9]+")


@cache
def _pattern() -> re.Pattern[str]:
    """Without its marks a letter would be torn from the rest of its word: letters and digits alone are no marks."""
    marks, first = [], None
    for code in range(0x300, 0x1E950):
        is_mark = unicodedata.category(chr(code)).startswith("M")
        if is_mark and first is None:
            first = code
        elif not is_mark and first is not None:
            marks.append(f"{chr(first)}-{chr(code - 1)}")
            first = None
    return re.compile(f"[{ALONE}]|(?:(?![{ALONE}])[^\\W_]|[{''.join(marks)}])+")
