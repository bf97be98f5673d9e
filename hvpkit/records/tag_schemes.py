"""Read tags of any usual scheme as BIO: BIO, IOB1, IOBES, BILOU, BMES, or bare entity types."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from hvpkit.messages import Message
from hvpkit.records.bio_repair import repair_bio, repaired
from hvpkit.records.issues import RecordError

TO_BIO = {"B": "B", "I": "I", "S": "B", "U": "B", "E": "I", "L": "I", "M": "I"}
_TAG = re.compile(r"([BIESULM])[-_](\S.*)")
_BARE = re.compile(r"[^\W\d_]\w+(?:[ /&.:_-]+\w+)*")


def is_tag(text: str) -> bool:
    """Check whether a word is `O` or a tag with a prefix, such as `B-PER` or `U-LOC`."""
    return text == "O" or _TAG.fullmatch(text) is not None


def to_bio(raw: Sequence[str], words: Sequence[str], warn: Callable[[Message, int], None]) -> tuple[str, ...]:
    """Convert the tags of a sentence to legal BIO tags.

    Prefixes of IOBES, BILOU and BMES are mapped without loss (S- and U- to B-; E-, L- and M- to I-), a run of one bare
    type is one entity, and an I- that continues no entity becomes B-, which also reads IOB1.

    Args:
        raw: Tags of the file.
        words: Words of the sentence, one for each tag.
        warn: Receives a note on each changed tag, with its position.

    Returns:
        One BIO tag for each word.

    Raises:
        RecordError: "tag-not-bio".
    """
    tags: list[str] = []
    for i, tag in enumerate(raw):
        match = _TAG.fullmatch(tag)
        if tag == "O":
            tags.append(tag)
        elif match:
            tags.append(f"{TO_BIO[match[1]]}-{match[2]}")
            if tags[-1] != tag:
                warn(Message("tag-converted", tag=tag, word=words[i], converted=tags[-1]), i)
        elif _BARE.fullmatch(tag):
            tags.append(f"{'I' if i and raw[i - 1] == tag else 'B'}-{tag}")
            warn(Message("tag-without-prefix", tag=tag, word=words[i], converted=tags[-1]), i)
        else:
            raise RecordError("tag-not-bio", tag=tag)
    legal, changed = repair_bio(tags)
    for i in changed:
        warn(repaired(tags, words, i), i)
    return legal
