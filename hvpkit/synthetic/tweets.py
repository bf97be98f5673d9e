"""One split of a demo dataset: texts are generated at once, images while examples are iterated."""

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
    """Example whose image is not generated yet.

    Attributes:
        example: Example with the path of its image.
        key: Seed of the image.
        clue: Kind of clue in the image, None for an uninformative image.
        shown: Label that the image reveals, None for an uninformative image.
    """

    example: Example
    key: str
    clue: Clue | None
    shown: str | None


class TweetStream:
    """Shuffled examples of a split; iterating draws their images.

    Args:
        settings: Settings of the dataset.
        split: Split to generate.
        folder: Folder in which images/ and crops/ are written.
    """

    def __init__(self, settings: SyntheticSettings, split: Split, folder: Path) -> None:
        self._folder = folder
        names, key = split_names(settings.seed)[split], f"{settings.seed} {settings.task} {split}"
        self.tweets: list[PlannedTweet] = []
        for scenario in plan_scenarios(settings, split):
            write = entity_sentence if settings.task == "mner" else pair_sentence
            sentence = write(scenario, names, Random(f"{key} {scenario.number} text"))
            name = f"{split}-{scenario.number:05}"
            self.tweets += _plan_tweets(scenario, sentence, name, f"{key} {scenario.number}", folder / "images")
        Random(f"{key} order").shuffle(self.tweets)

    def __len__(self) -> int:
        return len(self.tweets)

    def __iter__(self) -> Iterator[Example]:
        saved: dict[Path, DrawnObjects] = {}
        for tweet in self.tweets:
            image = tweet.example.image
            assert isinstance(image, Path)
            if image not in saved:
                saved[image] = _save(
                    render_image(Random(tweet.key), tweet.clue, tweet.shown), image, self._folder / "crops"
                )
            objects, deciding = saved[image]
            is_revealed = deciding is not None and tweet.example.metadata["informative"] == "yes"
            metadata = tweet.example.metadata | {"deciding_object": str(deciding) if is_revealed else "none"}
            yield replace(tweet.example, objects=objects, metadata=metadata)


DrawnObjects = tuple[
    tuple[VisualObject, ...], int | None
]  # objects of an image, index of the one that reveals the label


def _plan_tweets(
    scenario: Scenario, sentence: GeneratedSentence, name: str, key: str, images: Path
) -> Iterator[PlannedTweet]:
    """Plan one example for each label of a scenario; words and uninformative images are identical."""
    for i, (answer, shown) in enumerate(zip(scenario.labels, scenario.shown_labels, strict=True)):
        is_revealed = scenario.is_informative and answer != "none"
        metadata = {
            "clue": scenario.clue if is_revealed else "none",
            "ambiguous": "yes" if scenario.is_ambiguous else "no",
            "informative": "yes" if is_revealed else "no",
            "type": answer,
        }
        image = f"{name}-{i}" if scenario.is_informative else name
        example = _labeled_example(f"{name}-{i}", sentence, answer, scenario.second)
        example = replace(example, image=images / f"{image}.png", metadata=metadata)
        yield (
            PlannedTweet(example, f"{key} {i}", scenario.clue, shown)
            if scenario.is_informative
            else PlannedTweet(example, f"{key} blank", None, None)
        )


def _labeled_example(name: str, sentence: GeneratedSentence, answer: str, second: str | None) -> Example:
    spans = sentence.spans
    if "head" in spans:
        return Example(name, sentence.words, head=spans["head"], tail=spans["tail"], relation=answer)
    tags = ["O"] * len(sentence.words)
    types = {"name": answer, "second": second}
    for slot, span in spans.items():
        tags[span.start : span.end] = [
            f"{'B' if i == span.start else 'I'}-{types[slot]}" for i in range(span.start, span.end)
        ]
    return Example(name, sentence.words, tags=tuple(tags))


def _save(generated: GeneratedImage, image: Path, crops: Path) -> DrawnObjects:
    for folder in (image.parent, crops):
        folder.mkdir(exist_ok=True)
    generated.image.save(image)
    objects = []
    for number, item in enumerate(generated.objects):
        file = crops / f"{image.stem}-{number}.png"
        item.crop.save(file)
        objects.append(VisualObject(file, item.box, item.phrase, item.score))
    return tuple(objects), generated.deciding
