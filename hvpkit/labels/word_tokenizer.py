"""Raw tweets to words with their places (our own rules, near those by which MNRE was split; no torch)."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from hvpkit.types import TextSpan

# One character a word, or (kana) one run a word: these scripts write no blanks.
_HAN = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_HIRAGANA, _KATAKANA = "\u3041-\u309f\u30fc", "\u30a0-\u30ff\u31f0-\u31ff\uff66-\uff9f"
_LETTER = rf"[^\W{_HAN}{_HIRAGANA}{_KATAKANA}]"

_PICTOGRAPH = (
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u24c2\u25aa-\u25fe\u2600-\u27bf\u2934\u2935\u2b05-\u2b55"
    "\u3030\u303d\u3297\u3299\U0001f000-\U0001f1e5\U0001f200-\U0001faff]"
)
_TINTED = f"{_PICTOGRAPH}\ufe0f?[\U0001f3fb-\U0001f3ff]?\ufe0f?"
_EMOJI = (
    "[\U0001f1e6-\U0001f1ff]{2}",  # flag of a country
    f"{_PICTOGRAPH}[\U000e0020-\U000e007e]+\U000e007f",  # flag of a region
    "[0-9#*]\ufe0f?\u20e3",  # keycap
    f"{_TINTED}(?:\u200d{_TINTED})*",
)
_HTML = r"&(?:#\d{1,7}|[A-Za-z]{2,8});"  # a character as HTML writes it
_ADDRESSES = (
    r"(?i:https?://|www\.)[!-~]*[\w/=&#%~+@$*-]",
    r"[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}",
    r"(?i:(?:[a-z0-9-]{1,63}\.){1,8}(?:com|org|net|edu|gov|co|io|ly|me|tv|uk)\b(?:/[!-~]*[\w/=&#%~+@$*-])?)",
    r"[@＠]\w+",
    _HTML,
)


def tokenize(text: str) -> list[TextSpan]:
    """Split a text into words, in reading order: `text[word.start:word.end] == word.text`, and every non-blank character is in one.

    A link, a mail address, a handle with its @, an emoji with all its parts, and a number are one word each; `#` stands alone, hyphens and
    apostrophes stay within their word except in a final 's; Han characters stand alone. What cannot be seen joins its neighbour.
    """
    return [TextSpan(match.group(), match.start(), match.end()) for match in _pattern().finditer(text)]


@cache
def _pattern() -> re.Pattern[str]:
    marks, unseen = _of_category("M"), _of_category("Cf", "Cc")
    letters = rf"(?:{_LETTER}|[{marks}\u00ad\u200c\u200d\u2060])+"
    possessive = rf"['’][sS](?!{_LETTER})"
    joint = rf"(?:(?!{possessive}|{_HTML})['’&\-\u2010\u2011](?={_LETTER})|&amp;(?={_LETTER})|(?<=\d)[.,:/](?=\d))"
    kinds = (
        *_EMOJI,
        *_ADDRESSES,
        r"[^\W\d_](?:\.[^\W\d_])+(?!\w)\.?",  # U.S.
        possessive,
        rf"{letters}(?:{joint}{letters})*",
        f"[{_HIRAGANA}]+",
        f"[{_KATAKANA}]+",
        r"([.!?~*=|/-])\1+",
        r"\S",
    )
    around = f"[{marks}{unseen}]*"
    return re.compile(f"{around}(?:{'|'.join(kinds)}){around}")


def _of_category(*categories: str) -> str:
    """List the characters of Unicode categories for a regular expression, blanks left out."""
    planes = (*range(0x20000), *range(0xE0000, 0xE0200))
    found = (chr(code) for code in planes if unicodedata.category(chr(code)).startswith(categories))
    return "".join(re.escape(character) for character in found if not character.isspace())
