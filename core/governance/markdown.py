"""Recorded text inside Markdown: shown literally, never interpreted."""

from __future__ import annotations

import re
import unicodedata

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#!|<>~&:@$])")
_LEADING = re.compile(r"^(\d*)([-+=.])")  # a list or an underline at the start of a line
LONGEST = 2_000


def plain(value: object) -> str:
    """``value`` on one line with every character that Markdown or HTML would act on made literal.

    Control, bidirectional and zero-width characters become visible ``U+XXXX`` marks; text beyond
    ``LONGEST`` characters is cut with a note.
    """
    text = " ".join(str(value).split())
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}… ({len(text):,} characters)"
    text = "".join(_visible(character) for character in text)
    return _LEADING.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", text))


def _visible(character: str) -> str:
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn"):
        return f"U+{ord(character):04X}"
    return character
