"""One split of a demo dataset: its tweets, told at once, and their images, drawn as they are asked for (our own; no torch)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from hvpkit.synthetic.images import GeneratedImage, render_image
from hvpkit.synthetic.scenarios import Clue, Scenario, SyntheticSettings, plan_scenarios
from hvpkit.synthetic.sentences import GeneratedSentence, entity_sentence, pair_sentence, split_names
from hvpkit.types import Example, Split, VisualObject


@dataclass(frozen=True)
class PlannedTweet:
    """An example whose image is named but not drawn yet, and what that is to show: nothing without a `clue`; `key` seeds it."""

    example: Example
    key: str
    clue: Clue | None
    shown: str | None


class TweetStream:
    """The examples of a split, shuffled; iterating draws their images below `folder` (as images/ and crops/)."""

    def __init__(self, settings: SyntheticSettings, split: Split, folder: Path) -> None:
        self._folder = folder
        names, key = split_names(settings.seed)[split], f"{settings.seed} {settings.task} {split}"
        self.told: list[PlannedTweet] = []
        for story in plan_scenarios(settings, split):
            write = entity_sentence if settings.task == "mner" else pair_sentence
            sentence = write(story, names, Random(f"{key} {story.number} text"))
            self.told += _tell(story, sentence, f"{split}-{story.number:05}", f"{key} {story.number}", folder / "images")
        Random(f"{key} order").shuffle(self.told)

    def __len__(self) -> int:
        return len(self.told)

    def __iter__(self) -> Iterator[Example]:
        drawn: dict[Path, DrawnObjects] = {}
        for told in self.told:
            image = told.example.image
            assert image is not None
            if image not in drawn:
                drawn[image] = _save(render_image(Random(told.key), told.clue, told.shown), image, self._folder / "crops")
            objects, deciding = drawn[image]
            tells = deciding is not None and told.example.metadata["relevant"] == "yes"
            notes = told.example.metadata | {"deciding_object": str(deciding) if tells else "none"}
            yield replace(told.example, objects=objects, metadata=notes)


DrawnObjects = tuple[tuple[VisualObject, ...], int | None]  # an image's objects, and which of them shows the answer


def _tell(story: Scenario, sentence: GeneratedSentence, name: str, key: str, images: Path) -> Iterator[PlannedTweet]:
    """Give a story's examples, one an answer, word for word the same; uninformative images are the same too."""
    for part, (answer, shown) in enumerate(zip(story.answers, story.shown, strict=True)):
        decides = story.relevant and answer != "none"
        notes = {
            "clue": story.clue if decides else "none",
            "open": "yes" if story.is_ambiguous else "no",
            "relevant": "yes" if decides else "no",
            "type": answer,
        }
        image = f"{name}-{part}" if story.relevant else name
        example = _labelled(f"{name}-{part}", sentence, answer, story.second)
        example = replace(example, image=images / f"{image}.png", metadata=notes)
        yield (
            PlannedTweet(example, f"{key} {part}", story.clue, shown)
            if story.relevant
            else PlannedTweet(example, f"{key} blank", None, None)
        )


def _labelled(name: str, sentence: GeneratedSentence, answer: str, second: str | None) -> Example:
    spans = sentence.spans
    if "head" in spans:
        return Example(name, sentence.words, head=spans["head"], tail=spans["tail"], relation=answer)
    tags = ["O"] * len(sentence.words)
    types = {"name": answer, "second": second}
    for slot, span in spans.items():
        tags[span.start : span.end] = [f"{'B' if i == span.start else 'I'}-{types[slot]}" for i in range(span.start, span.end)]
    return Example(name, sentence.words, tags=tuple(tags))


def _save(opened_image: GeneratedImage, image: Path, crops: Path) -> DrawnObjects:
    for folder in (image.parent, crops):
        folder.mkdir(exist_ok=True)
    opened_image.image.save(image)
    objects = []
    for number, item in enumerate(opened_image.objects):
        file = crops / f"{image.stem}-{number}.png"
        item.crop.save(file)
        objects.append(VisualObject(file, item.box, item.phrase, item.score))
    return tuple(objects), opened_image.deciding
