"""English words by which noun phrases are found, in function_words.yaml."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from hvpkit.config.packaged_data import PackagedData, load_packaged_data

FILE = Path(__file__).with_name("function_words.yaml")


class FunctionWords(PackagedData):
    """Lists of lowercase words.

    Attributes:
        determiners: Determiners.
        numbers: Numerals.
        prepositions: Prepositions.
        others: Other words that no noun phrase contains.
        adjectives: Adjectives that are not a name on their own, though capitalized.
        inside_names: Lowercase words inside of names.
    """

    determiners: frozenset[str]
    numbers: frozenset[str]
    prepositions: frozenset[str]
    others: frozenset[str]
    adjectives: frozenset[str]
    inside_names: frozenset[str]

    def starts_group(self, word: str) -> bool:
        """Return whether a noun group starts after a word."""
        return word in self.determiners or word in self.numbers or word in self.prepositions

    def is_function_word(self, word: str) -> bool:
        """Return whether no name or noun group contains a word."""
        return word in self.determiners or word in self.prepositions or word in self.others


@cache
def load_function_words() -> FunctionWords:
    """Load the words."""
    return load_packaged_data(FILE, FunctionWords)
