"""Split raw tweets into words with character offsets, similar to the tokenization of MNRE.

Source: own.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from hvpkit.types import TextSpan

# Scripts without blanks: each Han character is a word, and each run of kana.
_HAN = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_HIRAGANA, _KATAKANA = "\u3041-\u309f\u30fc", "\u30a0-\u30ff\u31f0-\u31ff\uff66-\uff9f"
_LETTER = rf"[^\W{_HAN}{_HIRAGANA}{_KATAKANA}]"

_PICTOGRAPH = (
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u24c2\u25aa-\u25fe\u2600-\u27bf\u2934\u2935"
    "\u2b05-\u2b55\u3030\u303d\u3297\u3299\U0001f000-\U0001f1e5\U0001f200-\U0001faff]"
)
_EMOJI_WITH_SKIN_TONE = f"{_PICTOGRAPH}\ufe0f?[\U0001f3fb-\U0001f3ff]?\ufe0f?"
_EMOJI = (
    "[\U0001f1e6-\U0001f1ff]{2}",  # flag of a country
    f"{_PICTOGRAPH}[\U000e0020-\U000e007e]+\U000e007f",  # flag of a region
    "[0-9#*]\ufe0f?\u20e3",  # keycap
    f"{_EMOJI_WITH_SKIN_TONE}(?:\u200d{_EMOJI_WITH_SKIN_TONE})*",
)
_HTML = r"&(?:#\d{1,7}|[A-Za-z]{2,8});"  # HTML entity
_ADDRESSES = (
    r"(?i:https?://|www\.)[!-~]*[\w/=&#%~+@$*-]",
    r"[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}",
    r"(?i:(?:[a-z0-9-]{1,63}\.){1,8}(?:com|org|net|edu|gov|co|io|ly|me|tv|uk)\b(?:/[!-~]*[\w/=&#%~+@$*-])?)",
    r"[@＠]\w+",
    _HTML,
)


def tokenize(text: str) -> list[TextSpan]:
    """Split a text into words in reading order.

    Links, mail addresses, handles with their @, emoji sequences and numbers are one word each. `#` and Han characters
    are words of their own. Hyphens and apostrophes stay within their word, except in a final 's. Invisible characters
    belong to the adjacent word.

    Returns:
        Words that contain every non-blank character, where `text[word.start:word.end] == word.text`.
    """
    return [TextSpan(match.group(), match.start(), match.end()) for match in _pattern().finditer(text)]


@cache
def _pattern() -> re.Pattern[str]:
    marks, invisible = _of_category("M"), _of_category("Cf", "Cc")
    letters = rf"(?:{_LETTER}|[{marks}\u00ad\u200c\u200d\u2060])+"
    possessive = rf"['’][sS](?!{_LETTER})"
    joint = rf"(?:(?!{possessive}|{_HTML})['’&\-\u2010\u2011](?={_LETTER})|&amp;(?={_LETTER})|(?<=\d)[.,:/](?=\d))"
    alternatives = (
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
    attached = f"[{marks}{invisible}]*"
    return re.compile(f"{attached}(?:{'|'.join(alternatives)}){attached}")


def _of_category(*categories: str) -> str:
    """List the characters of Unicode categories for a regular expression, without blanks."""
    planes = (*range(0x20000), *range(0xE0000, 0xE0200))
    characters = (chr(code) for code in planes if unicodedata.category(chr(code)).startswith(categories))
    return "".join(re.escape(character) for character in characters if not character.isspace())
