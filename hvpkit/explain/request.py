"""What to explain: one text with its image, or examples of prepared data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hvpkit.errors import DataError, InputError
from hvpkit.inference.inputs import MentionInput, PredictionInput
from hvpkit.records.codec import box_from_json
from hvpkit.records.issues import RecordError
from hvpkit.types import Split, VisualObject


@dataclass(frozen=True)
class ExplainRequest:
    """What to explain, and which files to write.

    Attributes:
        text: Text to explain; None: examples of prepared data.
        image: Image of the text.
        head: Head entity of the text (MRE): words, or characters [start, end).
        tail: Tail entity of the text (MRE), likewise.
        objects: Objects of the image of the text; None: they are detected; empty: the image has none.
        data: Folder of prepared data, also for replacement images; None: for a text no data, else the data of the
            model.
        split: Split of the data.
        examples: Ids of examples.
        count: Number of examples with an image, if no ids are listed.
        summary: Whether to summarize the whole split.
        html: HTML page to write.
        figures: Figures to write.
        replacement: Replacement image to compare with; None: one of the data, or a generated one.
        seed: Seed of the replacement images and of the bootstrap samples.

    Raises:
        InputError: "options-need-text", "text-with-examples", "nothing-to-explain", "example-with-count" or
            "page-needs-one-text" if attributes exclude each other.
    """

    text: str | None = None
    image: Path | None = None
    head: MentionInput | None = None
    tail: MentionInput | None = None
    objects: tuple[VisualObject, ...] | None = None
    data: Path | None = None
    split: Split = "test"
    examples: tuple[str, ...] = ()
    count: int | None = None
    summary: bool = False
    html: Path | None = None
    figures: tuple[Path, ...] = ()
    replacement: Path | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        of_text = {"--image": self.image, "--crop": self.objects or None, "--head": self.head, "--tail": self.tail}
        of_data = {"--example": self.examples, "--count": self.count, "--summary": self.summary}
        text_options = [option for option, value in of_text.items() if value is not None]
        data_options = [option for option, value in of_data.items() if value]
        if self.text is None and text_options:
            raise InputError("options-need-text", options=text_options)
        if self.text is not None and data_options:
            raise InputError("text-with-examples", options=data_options)
        if self.text is None and not data_options and not self.figures:
            raise InputError("nothing-to-explain")
        if self.examples and self.count:
            raise InputError("example-with-count")
        if self.html is not None and self.text is None and len(self.examples) + (self.count or 0) != 1:
            raise InputError("page-needs-one-text")

    @property
    def uses_data(self) -> bool:
        """Whether prepared data is read."""
        return self.text is None or self.data is not None

    @property
    def only_summary(self) -> bool:
        """Whether a summary is requested and no explanation of single examples."""
        return self.summary and not self.figures and not self.examples and not self.count

    def to_input(self) -> PredictionInput | None:
        """Return the text with its image as an input of prediction; None for examples of prepared data."""
        return None if self.text is None else PredictionInput(self.text, self.image, self.head, self.tail, self.objects)


def parse_crop(value: str) -> VisualObject:
    """Parse a value of `--crop`: the file of a crop, or a box left,top,right,bottom in pixels of the image.

    Raises:
        DataError: "crop-malformed" if it is neither, "crop-inverted" if the box is empty.
    """
    file = Path(value)
    edges = value.split(",")
    if file.exists() or len(edges) != 4:
        return VisualObject(image=file)
    try:
        return VisualObject(box=box_from_json([float(edge) for edge in edges]))
    except ValueError:
        raise DataError("crop-malformed", given=value) from None
    except RecordError:
        raise DataError("crop-inverted", given=value) from None
