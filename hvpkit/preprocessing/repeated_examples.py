"""Count examples that occur in more than one split."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hvpkit.messages import Message
from hvpkit.records.issues import IssueLog
from hvpkit.types import Example, Split


class RepeatedExamples:
    """Hashes of the texts and images of the splits that were read.

    Args:
        issues: Log that counts the examples.
    """

    def __init__(self, issues: IssueLog) -> None:
        self._issues = issues
        self._split_of: dict[int, Split] = {}

    def count(self, split: Split, examples: Iterable[Example]) -> Iterator[Example]:
        """Yield the examples of a split, and count those whose words and image are also in an earlier split."""
        own: dict[int, Split] = {}
        for example in examples:
            key = hash((example.words, example.image))
            other = self._split_of.get(key)
            if other is not None:
                text = " ".join(example.words)[:60]
                message = Message("text-in-two-splits", id=example.id, text=text, other=other)
                self._issues.warn(split, message.code, message)
            own.setdefault(key, split)
            yield example
        self._split_of = {**own, **self._split_of}
