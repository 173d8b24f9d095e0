"""Which tokens make up a word, by the marks that the tokenizers of transformers leave on their pieces."""

from __future__ import annotations

from collections.abc import Collection, Sequence

BEGINS, CONTINUES, ENDS = ("Ġ", "▁"), "##", "</w>"
"""Byte-level BPE and SentencePiece mark where a word begins, WordPiece what continues it, CLIP's BPE where it ends."""
PART_OF_CHARACTER = "\N{REPLACEMENT CHARACTER}"


def word_groups(pieces: Sequence[str], shown: Sequence[str], special: Collection[int]) -> tuple[tuple[int, ...], ...]:
    """The numbers of the tokens of each word, in order; special tokens and punctuation belong to none.

    Args:
        pieces: the tokens as the vocabulary has them, marks and all.
        shown: the same tokens as a reader would write them.
        special: the numbers of special tokens.
    """
    ended = any(piece.endswith(ENDS) for piece in pieces)
    wordpiece = not ended and not any(piece.startswith(BEGINS) for piece in pieces)
    groups: list[list[int]] = []
    is_open = False
    for number, (piece, text) in enumerate(zip(pieces, shown, strict=True)):
        if number in special or not any(c.isalnum() or c == PART_OF_CHARACTER for c in text):
            is_open = False
            continue
        continues = piece.startswith(CONTINUES) if wordpiece else not piece.startswith(BEGINS)
        if is_open and continues:
            groups[-1].append(number)
        else:
            groups.append([number])
        is_open = not (ended and piece.endswith(ENDS))
    return tuple(map(tuple, groups))
