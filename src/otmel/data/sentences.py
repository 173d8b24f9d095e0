"""The sentences around a place in a text: what a linker reads of a long document with each mention.

An encoder reads some forty tokens, and was trained on mentions in their sentences. So a long text is cut to the
mention's sentence and to as many whole neighbours as there is room for. The rule is a plain one: a sentence ends at
``. ! ? …`` with closing quotes and a space behind, at ``。 ！ ？``, and at a line's end; not behind an initial (``J.``)
or a title (``Dr.``), nor where small letters go on. A wrong end costs little: neighbours come back in while they fit.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property
from typing import Final

GAP: Final = re.compile(r"\s+|[。！？]+[」』”’）]*")
"""What stands between two sentences, or between two words of one."""
MARK: Final = re.compile(r"([.!?…]+)[\"'”’»)\]]*$")
TITLES: Final = frozenset(
    ("mr", "mrs", "ms", "dr", "prof", "st", "gen", "col", "capt", "sgt", "lt", "gov", "sen", "rep", "rev", "jr", "sr")
)
"""Abbreviations behind which a sentence goes on, as a rule."""
_LAST_WORD = re.compile(r"\w+$")
LOOK_BACK: Final = 16
"""Characters before a gap that are looked at."""


class Sentences:
    """The sentences of a text.

    Attributes:
        starts: where each begins; the first at 0, and each ends where the next begins.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def starts(self) -> list[int]:
        """Where each sentence begins; the spaces behind it belong to it."""
        ends = (gap.end() for gap in GAP.finditer(self.text) if self._parts(gap))
        return [0, *(place for place in ends if place < len(self.text))]

    def around(self, start: int, end: int, room: int) -> slice:
        """The part of the text to read with the mention at ``start … end``.

        All of it where it has at most ``room`` characters. Else the sentences that the mention touches, then the one
        before, the one behind and so on while they fit; of a sentence longer than ``room``, the words around the
        mention. Never less than the mention itself.
        """
        if len(self.text) <= room:
            return slice(0, len(self.text))
        first, last = bisect_right(self.starts, start) - 1, bisect_right(self.starts, end - 1)
        if self._end(last) - self.starts[first] > room:
            return self._words(start, end, room, slice(self.starts[first], self._end(last)))
        return self._stripped(*self._grown(first, last, room))

    def _grown(self, first: int, last: int, room: int) -> tuple[int, int]:
        """Sentences ``first … last`` (exclusive) with their neighbours, as places in the text."""
        grows = True
        while grows:
            grows = False
            if first > 0 and self._end(last) - self.starts[first - 1] <= room:
                first, grows = first - 1, True
            if last < len(self.starts) and self._end(last + 1) - self.starts[first] <= room:
                last, grows = last + 1, True
        return self.starts[first], self._end(last)

    def _end(self, last: int) -> int:
        """Where the sentences before number ``last`` end."""
        return self.starts[last] if last < len(self.starts) else len(self.text)

    def _parts(self, gap: re.Match[str]) -> bool:
        """Whether a gap parts two sentences."""
        if "\n" in gap.group() or not gap.group().isspace():
            return True
        if self.text[gap.end() : gap.end() + 1].islower():
            return False
        before = self.text[max(0, gap.start() - LOOK_BACK) : gap.start()]
        mark = MARK.search(before)
        return mark is not None and not (mark[1] == "." and _goes_on(before[: mark.start()]))

    def _words(self, start: int, end: int, room: int, within: slice) -> slice:
        """The words of a long sentence around the mention, which stands in their middle where it can."""
        spare = max(0, room - (end - start))
        left = max(within.start, min(start - spare // 2, within.stop - room))
        right = min(within.stop, max(left + room, end))
        left = min(left, start)
        if left > within.start and not self.text[left - 1].isspace():
            space = next((n for n in range(left, start) if self.text[n].isspace()), None)
            left = left if space is None else space
        if right < within.stop and not self.text[right].isspace():
            space = next((n for n in range(right - 1, end - 1, -1) if self.text[n].isspace()), None)
            right = right if space is None else space
        return self._stripped(left, right)

    def _stripped(self, left: int, right: int) -> slice:
        """Without the spaces at both ends."""
        while left < right and self.text[left].isspace():
            left += 1
        while right > left and self.text[right - 1].isspace():
            right -= 1
        return slice(left, right)


def _goes_on(before: str) -> bool:
    """Whether the period behind ``before`` ends an initial or a title, not a sentence."""
    word = _LAST_WORD.search(before)
    return word is not None and ((len(word[0]) == 1 and word[0].isalpha()) or word[0].casefold() in TITLES)
