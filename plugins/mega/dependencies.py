"""Arcs between words: those of a spaCy pipeline, or a chain of neighbors."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import re
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from hvpkit.errors import ComponentError, ModelFolderError
from hvpkit.messages import Message
from hvpkit.types import Example

if TYPE_CHECKING:
    from spacy.language import Language

log = logging.getLogger(__name__)

FILE = "arcs.json"
NAME = re.compile(r"[a-z]{2,3}_\w+")  # of a pipeline's package, so that a model folder cannot import any other
LINK = re.compile(r"(https?:/|www\.)", re.IGNORECASE)

Arcs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class ArcSource:
    """Where arcs between words come from.

    Attributes:
        pipeline: Name of the spaCy pipeline; None for a chain of neighbors.
        version: Version of the pipeline.
    """

    pipeline: str | None = None
    version: str | None = None

    def arcs(self, example: Example) -> Arcs:
        """Return the arcs between words of an example, as pairs of their indices; links have none.

        Args:
            example: Words, and for the chain head and tail.
        """
        kept = [number for number, word in enumerate(example.words) if not is_link(word)]
        if self.pipeline is not None:
            arcs = _parse(self.pipeline, tuple(example.words[number] for number in kept))
            return tuple((kept[one], kept[other]) for one, other in arcs)
        pair = [(example.head.start, example.tail.start)] if example.head and example.tail else []
        return (*zip(kept, kept[1:], strict=False), *((one, other) for one, other in pair if one != other))

    def note(self) -> Message:
        """Describe the arcs for the model card."""
        if self.pipeline is None:
            return Message("mega-arcs-chain")
        return Message("mega-arcs-pipeline", pipeline=self.pipeline, version=self.version)

    def save(self, folder: Path) -> None:
        """Write what `load_arc_source` reads."""
        (folder / FILE).write_text(json.dumps(asdict(self)), encoding="utf-8")


def is_link(word: str) -> bool:
    """Return whether a word is the address of a page."""
    return LINK.match(word) is not None


def choose_arc_source(dependencies: str, pipeline: str) -> ArcSource:
    """Choose where the arcs of a new model come from.

    Args:
        dependencies: "spacy", "chain", or "auto" for spaCy if the pipeline is installed.
        pipeline: Name of the spaCy pipeline.

    Raises:
        ComponentError: "mega-pipeline-unavailable" if "spacy" cannot be used.
    """
    reason = _problem(pipeline) if dependencies != "chain" else None
    if dependencies == "spacy" and reason is not None:
        raise ComponentError("mega-pipeline-unavailable", pipeline=pipeline, reason=reason)
    if dependencies == "chain" or reason is not None:
        log.info(Message("mega-arcs-chain"))
        return ArcSource()
    return ArcSource(pipeline, importlib.metadata.version(pipeline))


def load_arc_source(folder: Path) -> ArcSource:
    """Read where the arcs of a saved model come from.

    Args:
        folder: Folder of the fusion.

    Raises:
        ModelFolderError: "mega-arcs-unreadable".
        ComponentError: "mega-pipeline-needed" if the pipeline cannot be used.
    """
    file = folder / FILE
    try:
        source = ArcSource(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ModelFolderError("mega-arcs-unreadable", file=file, reason=str(error).partition("\n")[0]) from error
    if source.pipeline is None:
        return source
    if reason := _problem(source.pipeline):
        fields = {"pipeline": source.pipeline, "version": source.version, "reason": reason}
        raise ComponentError("mega-pipeline-needed", **fields)
    found = importlib.metadata.version(source.pipeline)
    if found != source.version:
        fields = {"pipeline": source.pipeline, "expected": source.version, "found": found}
        log.warning(Message("mega-pipeline-version", **fields))
    return source


def _problem(pipeline: object) -> Message | str | None:
    """Return why a pipeline cannot be used; None if it can."""
    try:
        import spacy  # noqa: F401
    except ImportError:
        return Message("mega-spacy-not-installed")
    if not isinstance(pipeline, str) or not NAME.fullmatch(pipeline):
        return Message("mega-pipeline-not-a-name")
    try:
        importlib.metadata.version(pipeline)
    except importlib.metadata.PackageNotFoundError:
        return Message("mega-pipeline-not-installed")
    try:
        language = _load(pipeline)
    except Exception as error:  # pipelines of others may raise anything
        return str(error).partition("\n")[0] or type(error).__name__
    return None if "parser" in language.pipe_names else Message("mega-pipeline-without-parser")


@lru_cache(maxsize=2)
def _load(pipeline: str) -> Language:
    import spacy

    return spacy.load(pipeline, exclude=["ner", "lemmatizer"])


@lru_cache(maxsize=1024)  # windows and entity pairs of a text share its words
def _parse(pipeline: str, words: tuple[str, ...]) -> Arcs:
    from spacy.tokens import Doc

    language = _load(pipeline)
    if not words:
        return ()
    parsed = language(Doc(language.vocab, words=list(words)))
    return tuple((token.head.i, token.i) for token in parsed if token.head.i != token.i)
