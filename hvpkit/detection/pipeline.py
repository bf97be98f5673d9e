"""Objects of examples, found as settings say: the one path that preparing data and predicting share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from PIL import Image

from hvpkit.config.recipe import ObjectsSpec
from hvpkit.detection.nms import select
from hvpkit.detection.phrases import extractor
from hvpkit.errors import DataError, HvpkitError, InputError, PictureError
from hvpkit.images.decode import open_picture
from hvpkit.interfaces import ObjectProposer, ObjectQuery, ProposerContext
from hvpkit.registry import Registry
from hvpkit.types import Example, Split, VisualObject

LONGEST = 1600  # pixels of the longer side that proposers see: more than any of them keeps

Found = tuple[VisualObject, ...] | InputError
Wanted = tuple[Example, Split | None]  # None: it is of no split


class ObjectFinder:
    """A proposer with the settings it is used by; `settings` name its version.

    `reads_phrases`: it looks for phrases; `knows_dataset`: it knows the objects of one dataset, and finds none in other pictures.
    """

    def __init__(self, settings: ObjectsSpec, proposer: ObjectProposer, needs: frozenset[str], batch_size: int) -> None:
        self.proposer, self.batch_size = proposer, batch_size
        self.reads_phrases, self.knows_dataset = "phrases" in needs, "dataset" in needs
        self.settings = settings.model_copy(update={"version": proposer.version})
        self._phrases = extractor(settings.phrases)

    @classmethod
    def open(cls, settings: ObjectsSpec, registry: Registry, device: str | None = None, batch_size: int | None = None) -> ObjectFinder:
        """Build the proposer that the settings name; raises ComponentError or ModelFolderError when it cannot be had."""
        size = batch_size or (8 if torch.cuda.is_available() else 2)
        part = settings.proposer
        proposer = registry.build("proposer", part.name, ProposerContext(device, size), part.options)
        return cls(settings, proposer, registry.get("proposer", part.name).needs, size)

    def phrases(self, example: Example) -> tuple[str, ...]:
        """Give what is looked for in an example's picture; nothing for a proposer that reads no phrases."""
        return tuple(self._phrases(example)) if self.reads_phrases else ()

    def find(self, wanted: Sequence[Wanted]) -> Iterator[Found]:
        """Give each example's objects, best first, or what is wrong with its picture; in order, with two batches of pictures in memory."""
        batches: list[Sequence[Wanted]] = [wanted[start : start + self.batch_size] for start in range(0, len(wanted), self.batch_size)]
        with ThreadPoolExecutor(1) as readers:  # decodes while the proposer works; Pillow's warnings are silenced for one thread at a time
            coming = [readers.submit(_queries, self, batch) for batch in batches[:1]]
            for number in range(len(batches)):
                queries = coming.pop().result()
                coming = [readers.submit(_queries, self, batch) for batch in batches[number + 1 : number + 2]]
                yield from self._answers(queries)

    def _answers(self, queries: Sequence[ObjectQuery | InputError]) -> Iterator[Found]:
        sound = [query for query in queries if isinstance(query, ObjectQuery)]
        answers = iter(self._propose(sound))
        for query in queries:
            if isinstance(query, InputError):
                yield query
                continue
            answer = next(answers)
            yield answer if isinstance(answer, InputError) else select(answer, query.size, self.settings)

    def _propose(self, queries: Sequence[ObjectQuery]) -> Sequence[Sequence[VisualObject] | InputError]:
        if not queries:
            return ()
        try:
            answers = self.proposer.propose(queries)
        except torch.OutOfMemoryError as error:
            raise HvpkitError("detector-out-of-memory", batch_size=self.batch_size) from error
        if len(answers) != len(queries):
            detector = self.settings.proposer.name
            raise HvpkitError("detector-answers-mismatch", detector=detector, found=len(answers), expected=len(queries))
        return answers


def _queries(finder: ObjectFinder, wanted: Sequence[Wanted]) -> list[ObjectQuery | InputError]:
    return [_query(finder, item) for item in wanted]


def _query(finder: ObjectFinder, wanted: Wanted) -> ObjectQuery | InputError:
    example, split = wanted
    if example.image is None:
        return DataError("example-without-image", example=example.id)
    try:
        picture = open_picture(example.image)
    except PictureError as error:
        return error
    size = picture.size
    if max(size) > LONGEST:
        picture.thumbnail((LONGEST, LONGEST), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return ObjectQuery(picture, size, finder.phrases(example), example, split)
