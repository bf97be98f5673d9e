"""One split of a demo dataset: its tweets, told at once, and their pictures, drawn as they are asked for (our own; no torch)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from hvpkit.synthetic.images import Picture, draw_picture
from hvpkit.synthetic.scenarios import Clue, Settings, Story, plan
from hvpkit.synthetic.sentences import Sentence, entity_sentence, pair_sentence, split_names
from hvpkit.types import Example, Split, VisualObject


@dataclass(frozen=True)
class Told:
    """An example whose picture is named but not drawn yet, and what that is to show: nothing without a `clue`; `key` seeds it."""

    example: Example
    key: str
    clue: Clue | None
    shown: str | None


class Tweets:
    """The examples of a split, shuffled; iterating draws their pictures below `folder` (as pictures/ and crops/)."""

    def __init__(self, settings: Settings, split: Split, folder: Path) -> None:
        self._folder = folder
        names, key = split_names(settings.seed)[split], f"{settings.seed} {settings.task} {split}"
        self.told: list[Told] = []
        for story in plan(settings, split):
            write = entity_sentence if settings.task == "mner" else pair_sentence
            sentence = write(story, names, Random(f"{key} {story.number} text"))
            self.told += _tell(story, sentence, f"{split}-{story.number:05}", f"{key} {story.number}", folder / "pictures")
        Random(f"{key} order").shuffle(self.told)

    def __len__(self) -> int:
        return len(self.told)

    def __iter__(self) -> Iterator[Example]:
        drawn: dict[Path, Drawn] = {}
        for told in self.told:
            image = told.example.image
            assert image is not None
            if image not in drawn:
                drawn[image] = _save(draw_picture(Random(told.key), told.clue, told.shown), image, self._folder / "crops")
            objects, deciding = drawn[image]
            tells = deciding is not None and told.example.notes["relevant"] == "yes"
            notes = told.example.notes | {"deciding_object": str(deciding) if tells else "none"}
            yield replace(told.example, objects=objects, notes=notes)


Drawn = tuple[tuple[VisualObject, ...], int | None]  # a picture's objects, and which of them shows the answer


def _tell(story: Story, sentence: Sentence, name: str, key: str, pictures: Path) -> Iterator[Told]:
    """Give a story's examples, one an answer, word for word the same; irrelevant pictures are the same too."""
    for part, (answer, shown) in enumerate(zip(story.answers, story.shown, strict=True)):
        decides = story.relevant and answer != "none"
        notes = {
            "clue": story.clue if decides else "none",
            "open": "yes" if story.open else "no",
            "relevant": "yes" if decides else "no",
            "type": answer,
        }
        picture = f"{name}-{part}" if story.relevant else name
        example = _labelled(f"{name}-{part}", sentence, answer, story.second)
        example = replace(example, image=pictures / f"{picture}.png", notes=notes)
        yield Told(example, f"{key} {part}", story.clue, shown) if story.relevant else Told(example, f"{key} blank", None, None)


def _labelled(name: str, sentence: Sentence, answer: str, second: str | None) -> Example:
    spans = sentence.spans
    if "head" in spans:
        return Example(name, sentence.words, head=spans["head"], tail=spans["tail"], relation=answer)
    tags = ["O"] * len(sentence.words)
    types = {"name": answer, "second": second}
    for slot, span in spans.items():
        tags[span.start : span.end] = [f"{'B' if i == span.start else 'I'}-{types[slot]}" for i in range(span.start, span.end)]
    return Example(name, sentence.words, tags=tuple(tags))


def _save(picture: Picture, image: Path, crops: Path) -> Drawn:
    for folder in (image.parent, crops):
        folder.mkdir(exist_ok=True)
    picture.image.save(image)
    objects = []
    for number, item in enumerate(picture.objects):
        file = crops / f"{image.stem}-{number}.png"
        item.crop.save(file)
        objects.append(VisualObject(file, item.box, item.phrase, item.score))
    return tuple(objects), picture.deciding
