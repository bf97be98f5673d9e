"""Names, sentence templates and motifs of the demo data, in lexicon.yaml."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator

from hvpkit.config.packaged_data import PackagedData, load_packaged_data

FILE = Path(__file__).with_name("lexicon.yaml")

Templates = Annotated[tuple[str, ...], BeforeValidator(str.splitlines)]  # one a line
TypePair = Annotated[tuple[str, str], BeforeValidator(lambda pair: pair.split("/"))]


class Lexicon(PackagedData):
    """Names and sentence templates.

    Attributes:
        names: Names of entities of any type.
        handles: Names of users, without `@`.
        hashtags: Hashtags, without `#`.
        emoji: Emoji.
        openers: Beginnings of tweets.
        closers: Ends of tweets.
        unambiguous: MNER templates that reveal the type of `{}`, by type.
        ambiguous: MNER templates that fit two types, by these types (in the file joined by `/`).
        second_clause: MNER clauses with a second entity, by its type, which they reveal.
        without_entity: MNER sentences without an entity.
        unambiguous_pairs: MRE templates that reveal the relation of `{h}` and `{t}`, by relation.
        ambiguous_pairs: MRE templates that fit each of `ambiguous_relations`.
        ambiguous_relations: Relations of an ambiguous pair, repeated by frequency.
        motifs: Name of what an image shows to reveal a label, by label.
    """

    names: tuple[str, ...]
    handles: tuple[str, ...]
    hashtags: tuple[str, ...]
    emoji: tuple[str, ...]
    openers: Templates
    closers: Templates
    unambiguous: dict[str, Templates]
    ambiguous: dict[TypePair, Templates]
    second_clause: dict[str, Templates]
    without_entity: Templates
    unambiguous_pairs: dict[str, Templates]
    ambiguous_pairs: Templates
    ambiguous_relations: tuple[str, ...]
    motifs: dict[str, str]

    @property
    def entity_types(self) -> tuple[str, ...]:
        """Entity types of MNER."""
        return tuple(self.unambiguous)

    @property
    def relations(self) -> tuple[str, ...]:
        """Relations of MRE."""
        return tuple(self.unambiguous_pairs)


@cache
def load_lexicon() -> Lexicon:
    """Load the lexicon."""
    return load_packaged_data(FILE, Lexicon)
