"""The text files of Twitter-2015 and Twitter-2017: `IMGID:<id>`, then `word<TAB>tag` a line, then an empty line (no torch)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePath

from hvpkit.data.readers.unlinked import Draft, unique_id
from hvpkit.labels.inventory import ENTITY_TYPES
from hvpkit.messages import Message
from hvpkit.records.bio_repair import read_tag, repair, repaired
from hvpkit.records.issues import BadRecord, Source
from hvpkit.records.lines import TextFile, utf8
from hvpkit.types import Example

START = "IMGID:"
OTHER = {"B-OTHER": "B-MISC", "I-OTHER": "I-MISC"}


@dataclass
class _Tweet:
    line: int
    first: str
    lines: list[tuple[int, str]] = field(default_factory=list)
    ended: bool = False

    @property
    def picture(self) -> str:
        """Give its picture's name, which is the tweet's, without the ending."""
        name = self.first.strip()[len(START) :].strip()
        return name[:-4] if PurePath(name).suffix.lower() in (".jpg", ".png") else name


def read_tweets(source: Source) -> list[Draft]:
    """Read one split; raises DataError when the file cannot be read or holds no tweet that can be used."""
    file, drafts, ids = TextFile(source), [], dict[str, int]()
    for tweet in _tweets(file.lines(), source):
        try:
            example = _example(tweet, source)
        except BadRecord as fault:
            source.leave_out(file.judge(fault, tweet.line), tweet.line)
            continue
        named = unique_id(example.id, ids, source, tweet.line)
        drafts.append(Draft(Example(named, example.words, example.tags), tweet.line, f"{tweet.picture}.jpg" if tweet.picture else None))
        source.keep()
    source.require(len(drafts))
    return drafts


def _tweets(lines: Iterable[str], source: Source) -> Iterator[_Tweet]:
    tweet: _Tweet | None = None
    lost = False  # in a tweet that does not say which it is
    for number, line in enumerate(lines, 1):
        if line.strip().startswith(START):
            if tweet:
                yield tweet
            tweet = _Tweet(number, line)
        elif not line.strip():
            lost = False
            if tweet and tweet.lines:
                tweet.ended = True
        elif tweet is None:
            if not lost:
                source.leave_out(BadRecord("words-before-first-tweet", text=line.strip()), number)
            lost = True
        else:
            if tweet.ended:
                source.note(Message("empty-line-in-tweet", tweet=tweet.picture), number - 1)
                tweet.ended = False
            tweet.lines.append((number, line))
    if tweet:
        yield tweet


def _example(tweet: _Tweet, source: Source) -> Example:
    words, tags, lines = [], [], []
    utf8(tweet.first)
    for number, line in tweet.lines:
        word, tag = _word_and_tag(number, utf8(line, number), source)
        if word:
            words.append(word)
            tags.append(tag)
            lines.append(number)
    if not words:
        raise BadRecord("tweet-without-words", tweet=tweet.picture)
    legal, changed = repair(tags)
    for i in changed:
        source.note(repaired(tags, words, i), lines[i])
    if not tweet.picture:
        source.note(Message("tweet-without-image-name"), tweet.line)
    return Example(tweet.picture or f"{source.split}-{tweet.line}", tuple(words), legal)


def _word_and_tag(number: int, line: str, source: Source) -> tuple[str, str]:
    fields = line.rstrip("\t").split("\t") if line.count("\t") > 1 else line.split("\t")
    if len(fields) < 2:
        raise BadRecord("line-without-tab", text=line, line=number)
    if len(fields) > 2:
        raise BadRecord("line-with-extra-tabs", text=line, line=number)
    word, tag = (part.strip() for part in fields)
    if not word:
        source.note(Message("blank-token", text=line), number)
        return word, "O"
    if [word, tag] != fields:
        source.note(Message("blanks-removed", text=line), number)
    if tag in OTHER:
        source.note(Message("other-as-misc", word=word), number)
    try:
        return word, read_tag(OTHER.get(tag, tag), ENTITY_TYPES)
    except BadRecord as fault:
        raise BadRecord(fault.message, line=number) from None
