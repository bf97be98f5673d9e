"""Read CoNLL files in which a line `IMGID:<id>` begins each sentence and names its image."""

from __future__ import annotations

from collections.abc import Iterator

from hvpkit.data.readers.conll import IMAGE_ID, Sentence, fraction_of_tags, is_image_id
from hvpkit.data.readers.record_reader import RecordReader
from hvpkit.data.readers.sample import Sample
from hvpkit.messages import Message
from hvpkit.records.image_index import image_stem
from hvpkit.records.issues import ReadingContext, RecordError
from hvpkit.records.json_values import LocatedRecord
from hvpkit.records.lines import TextFile, decode_utf8


class ConllImagesReader(RecordReader):
    """Reader of the form of Twitter-2015 and Twitter-2017, with any entity types."""

    name = "conll-images"

    def recognize(self, sample: Sample) -> float:
        """Look for lines with image ids, and lines that end in a tag."""
        has_ids = any(is_image_id(line) for line in sample.lines)
        return max(0.5, fraction_of_tags(sample)) if has_ids else 0.0

    def records(self, source: ReadingContext) -> Iterator[LocatedRecord]:
        """Iterate over the sentences; empty lines inside of them are ignored."""
        sentence, is_outside = Sentence(), True
        for number, line in enumerate(TextFile(source).lines(), 1):
            if is_image_id(line):
                yield from sentence.finish()
                is_outside = False
                sentence.start(number, **self._fields(decode_utf8(line, number), number, source))
            elif line.strip() and is_outside:
                yield LocatedRecord(number, RecordError("words-before-first-tweet", text=line.strip()))
            elif line.strip():
                sentence.add(number, line, source)
        yield from sentence.finish()

    def _fields(self, line: str, number: int, source: ReadingContext) -> dict[str, str]:
        name = line.strip()[len(IMAGE_ID) :].strip()
        if not name:
            source.warn(Message("tweet-without-image-name"), number)
            return {}
        image = self.context.images.name(image_stem(name)) or name
        return {"id": image_stem(name), "image": image}
