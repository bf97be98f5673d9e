"""Read the text files of Twitter-2015 and Twitter-2017.

A tweet is a line `IMGID:<id>`, then one line `word<TAB>tag` per word, then an empty line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from hvpkit.data.readers.unlinked import UnlinkedExample, unique_id
from hvpkit.labels.inventory import ENTITY_TYPES
from hvpkit.messages import Message
from hvpkit.records.bio_repair import parse_tag, repair_bio, repaired
from hvpkit.records.image_index import image_stem
from hvpkit.records.issues import ReadingContext, RecordError
from hvpkit.records.lines import TextFile, decode_utf8
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
    def image(self) -> str:
        """Return the image name without extension, which is also the name of the tweet."""
        return image_stem(self.first.strip()[len(START) :].strip())


def read_tweets(source: ReadingContext) -> list[UnlinkedExample]:
    """Read one split of a Twitter dataset.

    Raises:
        DataError: "nothing-usable" if the file has no usable tweet; "split-file-empty" or "not-utf8".
    """
    file, examples, ids = TextFile(source), [], dict[str, int]()
    for tweet in _tweets(file.lines(), source):
        try:
            example = _example(tweet, source)
        except RecordError as fault:
            source.skip(file.classify_truncation(fault, tweet.line), tweet.line)
            continue
        name = unique_id(example.id, ids, source, tweet.line)
        image = f"{tweet.image}.jpg" if tweet.image else None
        examples.append(UnlinkedExample(Example(name, example.words, example.tags), tweet.line, image))
        source.count_kept()
    source.require_examples(len(examples))
    return examples


def _tweets(lines: Iterable[str], source: ReadingContext) -> Iterator[_Tweet]:
    tweet: _Tweet | None = None
    outside_tweet = False  # after words that no IMGID line precedes
    for number, line in enumerate(lines, 1):
        if line.strip().startswith(START):
            if tweet:
                yield tweet
            tweet = _Tweet(number, line)
        elif not line.strip():
            outside_tweet = False
            if tweet and tweet.lines:
                tweet.ended = True
        elif tweet is None:
            if not outside_tweet:
                source.skip(RecordError("words-before-first-tweet", text=line.strip()), number)
            outside_tweet = True
        else:
            if tweet.ended:
                source.warn(Message("empty-line-in-tweet", tweet=tweet.image), number - 1)
                tweet.ended = False
            tweet.lines.append((number, line))
    if tweet:
        yield tweet


def _example(tweet: _Tweet, source: ReadingContext) -> Example:
    words, tags, lines = [], [], []
    decode_utf8(tweet.first)
    for number, line in tweet.lines:
        word, tag = _word_and_tag(number, decode_utf8(line, number), source)
        if word:
            words.append(word)
            tags.append(tag)
            lines.append(number)
    if not words:
        raise RecordError("tweet-without-words", tweet=tweet.image)
    legal, changed = repair_bio(tags)
    for i in changed:
        source.warn(repaired(tags, words, i), lines[i])
    if not tweet.image:
        source.warn(Message("tweet-without-image-name"), tweet.line)
    return Example(tweet.image or f"{source.split}-{tweet.line}", tuple(words), legal)


def _word_and_tag(number: int, line: str, source: ReadingContext) -> tuple[str, str]:
    fields = line.rstrip("\t").split("\t") if line.count("\t") > 1 else line.split("\t")
    if len(fields) < 2:
        raise RecordError("line-without-tab", text=line, line=number)
    if len(fields) > 2:
        raise RecordError("line-with-extra-tabs", text=line, line=number)
    word, tag = (part.strip() for part in fields)
    if not word:
        source.warn(Message("blank-token", text=line), number)
        return word, "O"
    if [word, tag] != fields:
        source.warn(Message("blanks-removed", text=line), number)
    if tag in OTHER:
        source.warn(Message("other-as-misc", word=word), number)
    try:
        return word, parse_tag(OTHER.get(tag, tag), ENTITY_TYPES)
    except RecordError as fault:
        raise RecordError(fault.message, line=number) from None
