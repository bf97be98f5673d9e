"""Explaining one text: what is said is what `predict` says, attention adds up.

And each change is what it claims to be.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import tiny
import torch
from raising import raises

import hvpkit
from hvpkit.errors import ImageError
from hvpkit.explain.counterfactuals import ReplacementImage, generated_image, replacement_image
from hvpkit.explain.explain_example import explain_example
from hvpkit.explain.explanation import layer_groups
from hvpkit.images.decode import crop, open_image
from hvpkit.inference.engine import encode_windows
from hvpkit.inference.inputs import PredictionInput, parse_example, parse_input
from hvpkit.interfaces import Trace
from hvpkit.messages import Message
from hvpkit.model.model import Model
from hvpkit.records.issues import RecordError
from hvpkit.types import Example, VisualObject

ENTITIES = (("Ada Lovelace", "PER"), ("New York", "LOC"))  # of the first test example


@pytest.fixture(scope="module")
def mner(mner_model):
    return hvpkit.load(mner_model, device="cpu")


@pytest.fixture(scope="module")
def mre(mre_model):
    return hvpkit.load(mre_model, device="cpu")


def reading_of(predictor, example: Example):
    return parse_example(example, predictor.folder.recipe)


def long_of(example: Example, words: int = 70) -> Example:
    repeated = tuple((example.words * words)[:words])
    return replace(example, words=repeated, tags=None)


# --------------------------------------------------------------------------------------------------------- nothing is
# changed
@pytest.mark.parametrize("task", ["mner", "mre"])
def test_scores_are_the_same_bit_for_bit_with_and_without_a_trace(task, mner, mre, mner_data, mre_data):
    predictor, data = (mner, mner_data) if task == "mner" else (mre, mre_data)
    items = [part[1] for example in data.examples("train") for part in encode_windows(predictor.batcher, example)]
    batch = predictor.batcher.collate(items)
    with torch.no_grad():
        plain, seen = (
            Model.forward(predictor.model, batch).scores,
            Model.forward(predictor.model, batch, Trace()).scores,
        )
    assert torch.equal(plain, seen)


@pytest.mark.parametrize("words", [None, 70])
def test_the_prediction_is_the_one_that_predict_gives(mner, mner_data, words):
    for example in mner_data.examples("test"):
        example = example if words is None else long_of(example, words)
        asked = PredictionInput(example.words, example.image, objects=example.objects)
        expected = mner.predict(asked.text, asked.image, objects=asked.objects)
        assert explain_example(mner, reading_of(mner, example)).prediction == expected
        assert expected.entities


def test_the_relation_is_the_one_that_predict_gives(mre, mre_data):
    example = mre_data.examples("test")[0]
    reading = reading_of(mre, example)
    expected = mre.predict(
        example.words, example.image, reading.mentions.head.text, reading.mentions.tail.text, example.objects
    )
    assert explain_example(mre, reading).prediction == expected


# -----------------------------------------------------------------------------------------------------------------
# attention
@pytest.mark.parametrize("words", [None, 70])
def test_each_word_s_attention_adds_up_to_1_over_images_and_text(mner, mner_data, words):
    example = mner_data.examples("test")[0]
    found = explain_example(mner, reading_of(mner, example if words is None else long_of(example, words)))
    assert len(found.attention) == len(found.words) == (words or len(example.words))
    for attention in found.attention:
        for cells, text in zip(attention.cells, attention.text, strict=True):
            assert sum(map(sum, cells)) + text == pytest.approx(1, abs=1e-5)


def test_attention_of_a_word_is_that_of_its_wordpieces(mner, mner_data):
    """A forward pass by hand: mean over heads and wordpieces, cells of the images that are there."""
    example = mner_data.examples("test")[0]
    [(_, item)] = encode_windows(mner.batcher, example)
    trace = Trace()
    with torch.no_grad():
        Model.forward(mner.model, mner.batcher.collate([item]), trace)
    found = explain_example(mner, reading_of(mner, example))
    for word, shares in enumerate(found.attention):
        pieces = [i for i, of in enumerate(item.text.word_ids.tolist()) if of == word]
        for layer, attention in enumerate(trace.attention):
            by_hand = sum(attention[0, head, piece] for head in range(2) for piece in pieces) / (2 * len(pieces))
            for v in range(3):
                assert list(shares.cells[layer][v]) == pytest.approx(by_hand[4 * v : 4 * v + 4].tolist(), abs=1e-6)
            assert shares.text[layer] == pytest.approx(float(by_hand[12:].sum()), abs=1e-6)


def test_images_that_are_missing_are_not_among_those_seen(mner, mner_data):
    example = next(e for e in mner_data.examples("test") if e.image is not None and not e.objects)
    found = explain_example(mner, reading_of(mner, example))
    assert [image.kind for image in found.images] == ["full image"]
    assert len(found.gates.weights) == 1
    assert all(len(layer) == 1 for attention in found.attention for layer in attention.cells)


def test_gates_add_up_to_1_over_levels(mre, mre_data):
    found = explain_example(mre, reading_of(mre, mre_data.examples("test")[0]))
    assert (len(found.gates.weights), len(found.gates.weights[0]), len(found.gates.weights[0][0])) == (3, 2, 4)
    assert all(sum(row) == pytest.approx(1, abs=1e-5) for image in found.gates.weights for row in image)
    assert found.gates.mean_levels(0)[0] == pytest.approx(
        sum(i * w for i, w in enumerate(found.gates.weights[0][0], 1))
    )


def test_head_and_tail_look_as_their_words_do(mre, mre_data):
    found = explain_example(mre, reading_of(mre, mre_data.examples("test")[0]))
    head, tail = found.mentions
    assert (head.role, tail.role) == ("head", "tail")
    assert (
        tail.attention == found.attention[tail.words.start]
        if tail.words.end - tail.words.start == 1
        else tail.attention is not None
    )
    assert found.words[head.words.start].text in head.span.text


@pytest.mark.parametrize(
    ("layers", "groups"),
    [
        (12, ["layers 1-4", "layers 5-8", "layers 9-12"]),
        (4, ["layer 1", "layers 2-3", "layer 4"]),
        (2, ["layer 1", "layer 2"]),
        (1, ["layer 1"]),
        (0, []),
    ],
)
def test_layers_come_in_three_groups_of_like_size(layers, groups):
    found = layer_groups(layers)
    assert [group.title for group in found] == groups
    assert [layer for group in found for layer in group.layers] == list(range(layers))


# -------------------------------------------------------------------------------------------------------------------
# changes
def without_boxes(example: Example, folder) -> Example:
    """Cut boxes out, as files: so objects can be had without the full image."""
    objects = []
    for number, thing in enumerate(example.objects):
        file = folder / f"{number}.png"
        image = open_image(thing.image) if thing.image else crop(open_image(example.image), thing.box)
        image.save(file)
        objects.append(VisualObject(file))
    return replace(example, objects=tuple(objects))


def confidence(predictor, example: Example, entity) -> float | None:
    """Return what `predict` says of an entity, if it finds it."""
    found = predictor.predict(example.words, example.image, objects=example.objects)
    return next(
        (e.confidence for e in found.entities if (e.start, e.end, e.type) == (entity.start, entity.end, entity.type)),
        None,
    )


def test_each_change_gives_what_predict_would_say(mner, mner_data, tmp_path):
    example = without_boxes(mner_data.examples("test")[0], tmp_path)
    other = ReplacementImage("another", tiny.draw(tmp_path / "other.png", 77))
    found = explain_example(mner, reading_of(mner, example), other)
    changed = {
        ("no images", None): replace(example, image=None, objects=()),
        ("no object", 1): replace(example, objects=example.objects[1:]),
        ("no object", 2): replace(example, objects=example.objects[:1]),
        ("no full image", 0): replace(example, image=None),
        ("other image", None): replace(example, image=other.image, objects=()),
    }
    assert [(change.kind, change.image) for change in found.counterfactuals] == list(changed)
    assert found.counterfactuals[-1].name == Message("counterfactual-other-image", name="another")
    compared = 0
    for change in found.counterfactuals:
        for entity, effect in zip(found.prediction.entities, change.effects, strict=True):
            expected = confidence(mner, changed[change.kind, change.image], entity)
            assert effect.before == entity.confidence
            assert effect.flips == (expected is None)
            if expected is not None:
                assert effect.after == pytest.approx(expected, abs=1e-4)
                assert effect.becomes == entity.type
                compared += 1
    assert compared
    assert len({round(change.effects[0].after, 6) for change in found.counterfactuals}) == 5


def test_a_relation_s_changes_give_what_predict_would_say(mre, mre_data, tmp_path):
    example = without_boxes(mre_data.examples("test")[0], tmp_path)
    reading = reading_of(mre, example)
    found = explain_example(mre, reading)
    label = found.prediction.relation.label
    for change, objects in zip(found.counterfactuals[:3], ((), example.objects[1:], example.objects[:1]), strict=True):
        image = None if change.kind == "no images" else example.image
        said = mre.predict(
            example.words, image, reading.mentions.head.text, reading.mentions.tail.text, objects
        ).relation
        [effect] = change.effects
        assert effect.after == pytest.approx(dict(said.probabilities)[label], abs=1e-4)
        assert (effect.becomes, effect.flips) == (said.label, said.label != label)


def test_a_removed_object_says_which_image_it_was(mner, mner_data):
    found = explain_example(mner, reading_of(mner, mner_data.examples("test")[0]))
    assert [(change.name.code, change.name.fields, change.image) for change in found.counterfactuals] == [
        ("counterfactual-no-images", {}, None),
        ("counterfactual-no-object", {"number": 1, "phrase": f" ({found.images[1].phrase})"}, 1),
        ("counterfactual-no-object", {"number": 2, "phrase": f" ({found.images[2].phrase})"}, 2),
        ("counterfactual-no-full-image", {}, 0),
    ]


def test_boxes_are_still_cut_from_the_image_when_it_is_removed_itself(mner, mner_data):
    """Or two things would change at once."""
    example = mner_data.examples("test")[0]
    alone = next(
        c for c in explain_example(mner, reading_of(mner, example)).counterfactuals if c.kind == "no full image"
    )
    nothing = next(c for c in explain_example(mner, reading_of(mner, example)).counterfactuals if c.kind == "no images")
    assert alone.effects[0].after != pytest.approx(nothing.effects[0].after, abs=1e-7)


def test_a_text_without_images_has_no_changes(mner, mner_text_model, mner_data):
    example = replace(mner_data.examples("test")[0], image=None, objects=())
    found = explain_example(mner, reading_of(mner, example))
    assert (found.counterfactuals, found.images, found.attention, found.gates) == ((), (), (), None)
    assert found.mentions[0].attention is None
    text_model = hvpkit.load(mner_text_model, device="cpu")
    found = explain_example(text_model, reading_of(text_model, mner_data.examples("test")[0]))
    assert (found.counterfactuals, found.images, found.attention, found.gates) == ((), (), (), None)
    assert [note.code for note in found.notes] == ["model-without-images"]


def test_entities_that_appear_in_a_counterfactual_are_listed(mner, mner_data, monkeypatch):
    example = mner_data.examples("test")[0]
    found = explain_example(mner, reading_of(mner, example))
    spans = {(e.start, e.end) for e in found.prediction.entities}
    appearing = [e for change in found.counterfactuals for e in change.new_entities]
    assert all((e.start, e.end) not in spans for e in appearing)
    assert all(found.prediction.text[e.start : e.end] == e.text for e in appearing)


# ------------------------------------------------------------------------------------------------------------ other
# images
def test_another_text_s_image_is_chosen_by_the_seed_alone(mner_data):
    examples = mner_data.examples("test")
    chosen = [replacement_image(examples, examples[0], seed, "data/tiny") for seed in range(20)]
    assert chosen == [replacement_image(examples[::-1], examples[0], seed, "data/tiny") for seed in range(20)]
    assert all(other.image != examples[0].image for other in chosen)
    assert len({other.image for other in chosen}) > 1
    source = next(example for example in examples if example.image == chosen[3].image)
    assert chosen[3].name.code == "image-of-another"
    assert chosen[3].name.fields == {
        "image": chosen[3].image.name,
        "example": source.id,
        "data": "data/tiny",
        "seed": 3,
    }
    assert replacement_image(examples[:1], examples[0], 0, "") is None


def test_another_image_that_cannot_be_read_is_passed_over(mner_data, tmp_path):
    examples = [example for example in mner_data.examples("test") if example.image is not None]
    (tmp_path / "cut.png").write_bytes(b"\x89PNG")
    bad = [replace(example, image=tmp_path / f"{number}.png") for number, example in enumerate(examples)]
    crop = VisualObject(image=tmp_path / "cut.png")
    sound = next(example for example in examples if example.image != examples[0].image)
    for seed in range(5):
        assert replacement_image([*bad, sound], examples[0], seed, "test").image == sound.image
        assert replacement_image([*bad, replace(sound, objects=(crop,))], examples[0], seed, "test") is None


def test_where_there_is_no_other_image_one_is_drawn(tmp_path, mner, mner_data):
    drawn = generated_image(tmp_path, 5)
    assert (drawn.name.code, drawn.name.fields) == ("image-generated", {"seed": 5})
    assert open_image(drawn.image).size == (128, 128)
    assert len(drawn.objects) in (2, 3)
    found = explain_example(mner, reading_of(mner, mner_data.examples("test")[0]), drawn)
    assert (found.counterfactuals[-1].name.code, found.counterfactuals[-1].name.fields) == (
        "counterfactual-other-image",
        {"name": drawn.name},
    )


# --------------------------------------------------------------------------------------------------------------------
# errors
def test_what_cannot_be_read_is_an_error(mner, mner_data, tmp_path):
    example = mner_data.examples("test")[0]
    (tmp_path / "cut.png").write_bytes(b"\x89PNG")
    with raises(ImageError, "not-image", file=tmp_path / "cut.png"):
        explain_example(mner, reading_of(mner, replace(example, image=tmp_path / "cut.png")))
    with raises(RecordError, "text-without-words"):
        parse_input(PredictionInput(" "), mner.folder.recipe)


def test_words_that_were_not_read_look_nowhere(mre, mre_data):
    example = mre_data.examples("test")[0]
    long = replace(example, words=(*example.words, *["visits"] * 60))
    found = explain_example(mre, reading_of(mre, long))
    assert found.attention[0] is not None
    assert found.attention[-1] is None
    [cut] = [note for note in found.notes if note.code == "text-read-in-part"]
    assert (cut.fields["first"], cut.fields["count"]) == (1, len(long.words)) and cut.fields["last"] < len(long.words)


def test_gold_labels_are_included_if_known(mner, mre, mner_data, mre_data):
    example = mner_data.examples("test")[0]
    assert explain_example(mner, reading_of(mner, example)).gold == tuple(f"{name}: {kind}" for name, kind in ENTITIES)
    assert explain_example(mner, reading_of(mner, replace(example, tags=None))).gold == ()
    pair = mre_data.examples("test")[0]
    assert explain_example(mre, reading_of(mre, pair)).gold == (pair.relation,)
