from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch
from raising import raises
from torch import nn

import hvpkit_plugins
from hvpkit.batching import Batcher, pad_texts
from hvpkit.config.loading import load_recipe
from hvpkit.data.prepared import open_prepared
from hvpkit.errors import ComponentError
from hvpkit.interfaces import FusionContext, HeadContext, ImageBatch, TextBatch, TextContext, Trace, Visual
from hvpkit.messages import Message
from hvpkit.model.model import build_model
from hvpkit.registry import load_registry
from hvpkit.saving.model_folder import open_model_folder
from hvpkit.saving.weights import load_model
from hvpkit.synthetic.generate import generate
from hvpkit.testing import check_backbone, check_fusion, check_text_encoder
from hvpkit.testing.fusions import AveragePoolBackbone
from hvpkit.testing.inputs import EXAMPLES, LABELS, encode, random_visual, small_bert, stack, text_batch, without_images
from hvpkit.training.train import train
from hvpkit.types import Example, VisualObject
from hvpkit_plugins.ocsga.labels import label_words
from hvpkit_plugins.ocsga.layers import PaddedBatchNorm, UnbiasedNorm

REGISTRY = load_registry()
ocsga = REGISTRY.get("fusion", "ocsga").factory
char_bilstm = REGISTRY.get("text encoder", "char-bilstm").factory
SMALL = {"hidden": 6, "word_width": 5, "character_width": 4, "character_hidden": 3}
OBJECTS = (("person", "cell phone"), ("dog", "dog", "traffic light"), ())
OBJECT_EXAMPLES = tuple(
    replace(example, objects=tuple(VisualObject(Path("x.png"), phrase=phrase) for phrase in phrases))
    for example, phrases in zip(EXAMPLES["mner"], OBJECTS, strict=True)
)


def context_of(encoder, examples=OBJECT_EXAMPLES, **changes) -> FusionContext:
    context = FusionContext(LABELS["mner"], encoder, AveragePoolBackbone(), 4, True, 2, lambda *parts: None, examples)
    return replace(context, **changes)


def built(examples=OBJECT_EXAMPLES, **options):
    """A fusion with its inputs; of three image regions, the second example lacks the second (the first object)."""
    torch.manual_seed(0)
    encoder = small_bert("mner")
    fusion = ocsga(context_of(encoder), object_width=5, **options).eval()
    return fusion, encoder, *inputs_of(fusion, encoder, examples)


def inputs_of(fusion, encoder, examples) -> tuple[TextBatch, Visual, dict]:
    encoded = encode(encoder, examples)
    extras = stack([fusion.build_inputs(*pair) for pair in zip(examples, encoded, strict=True)])
    return text_batch(encoder, encoded), random_visual((3, 3), 4), extras


# ------------------------------------------------------------------------------------------------------------ contracts
@pytest.mark.parametrize("task", ["mner", "mre"])
@pytest.mark.parametrize("options", [{}, {"singleton_unk": 0.0, "zero_digits": False}])
def test_the_encoder_keeps_the_contract(task, options):
    check_text_encoder(char_bilstm, task=task, **SMALL, **options)


@pytest.mark.parametrize("task", ["mner", "mre"])
@pytest.mark.parametrize(
    "options",
    [{}, {"num_layers": 2}, {"without_objects": "constant"}, {"batch_norm": "padded", "num_attention_heads": 4}],
)
def test_with_any_options_the_fusion_keeps_the_contract(options, task):
    check_fusion(ocsga, task=task, object_width=5, **options)


def test_the_fusion_keeps_the_contract_with_its_own_encoder():
    encoder = char_bilstm(TextContext("mner", EXAMPLES["mner"]), **SMALL)
    check_fusion(ocsga, encoder=encoder, object_width=5)


def test_the_backbone_keeps_the_contract_and_reports_that_it_sees_no_pixels():
    factory = REGISTRY.get("visual backbone", "object-labels").factory
    check_backbone(factory, weights="none")


def test_its_module_comes_without_torch():
    file = Path(hvpkit_plugins.__path__[0]) / "ocsga" / "__init__.py"
    program = f"import sys; sys.path.insert(0, {str(file.parents[1].parent)!r}); import hvpkit_plugins.ocsga; "
    program += "print('torch' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert output == "False\n"


@pytest.mark.parametrize(
    ("changes", "options", "code", "fields"),
    [
        ({"backbone": None}, {}, "ocsga-without-objects", {}),
        ({"max_objects": 0}, {}, "ocsga-without-objects", {}),
        ({}, {"num_attention_heads": 3}, "ocsga-width-not-divisible", {"width": 16, "heads": 3}),
    ],
)
def test_what_cannot_be_is_refused(changes, options, code, fields):
    with raises(ComponentError, code, **fields):
        ocsga(context_of(small_bert("mner"), **changes), **options)


# -------------------------------------------------------------------------------------------------------------- encoder
def test_the_shapes_are_those_of_the_authors_unless_others_are_asked_for():
    encoder = char_bilstm(TextContext("mner", EXAMPLES["mner"]))
    assert (encoder.width, encoder.lstm.input_size, encoder.lstm.hidden_size) == (200, 200 + 50, 100)
    assert (encoder.character_lstm.input_size, encoder.character_lstm.hidden_size) == (30, 25)


@torch.no_grad()
def test_a_word_is_its_vector_and_the_last_states_of_its_characters():
    encoder = char_bilstm(TextContext("mner", EXAMPLES["mner"]), **SMALL).eval()
    examples = EXAMPLES["mner"]
    text = pad_texts([encoder.encode(example, 64) for example in examples], encoder.pad_values())
    states = encoder.character_states(text)
    for row, example in enumerate(examples):
        for position, word in enumerate(example.words):
            ids = torch.tensor([[encoder.known_characters.index(character) for character in word]])
            output, _ = encoder.character_lstm(encoder.characters(ids))
            expected = torch.cat([output[0, -1, :3], output[0, 0, 3:]])
            torch.testing.assert_close(states[row, position], expected)
        alone = torch.cat([encoder.words(text.features["words"][row]), states[row]], dim=-1)[: len(example.words)]
        torch.testing.assert_close(
            encoder(text).states[row, : len(example.words)], encoder.lstm(alone[None])[0][0], atol=1e-6, rtol=1e-5
        )
    assert not encoder(text).states[~text.mask].any()


def test_digits_are_read_as_zero_in_words_and_characters():
    encoder = char_bilstm(TextContext("mner", (Example("1", ("a1", "a2", "b")),)), **SMALL)
    features = encoder.encode(Example("2", ("a7", "b")), 64).features
    assert features["words"].tolist() == [2, 3]  # a0 occurs twice
    assert (
        features["characters"].tolist() == encoder.encode(Example("3", ("a1", "b")), 64).features["characters"].tolist()
    )
    assert "0" in encoder.known_characters.items and "1" not in encoder.known_characters.items


def test_rows_of_both_vocabularies_have_their_words():
    encoder = char_bilstm(TextContext("mner", EXAMPLES["mner"]), **SMALL)
    rows = encoder.vocabularies()
    for word in EXAMPLES["mner"][0].words:
        assert rows["words.weight"][encoder.words.vocabulary.index(word)] == word
    assert rows["characters.weight"][encoder.known_characters.index("A")] == "A"


# --------------------------------------------------------------------------------------------------------------- labels
def test_labels_are_split_at_blanks_in_the_order_of_the_objects_and_duplicates_stay():
    assert [*label_words(OBJECT_EXAMPLES[1], 3)] == [("dog", 0), ("dog", 1), ("traffic", 2), ("light", 2)]
    assert [*label_words(OBJECT_EXAMPLES[1], 1)] == [("dog", 0)]
    fusion, encoder, *_ = built(max_words=2)
    inputs = fusion.build_inputs(OBJECT_EXAMPLES[0], encoder.encode(OBJECT_EXAMPLES[0], 64))
    index = fusion.objects.vocabulary.index
    assert inputs["object_words"].tolist() == [index("person"), index("cell")]
    assert inputs["object_regions"].tolist() == [1, 2]  # the full image is the first region


def test_unlabeled_objects_and_none_have_no_words():
    fusion, encoder, *_ = built()
    for example in (OBJECT_EXAMPLES[2], replace(OBJECT_EXAMPLES[0], objects=(VisualObject(Path("x.png")),))):
        inputs = fusion.build_inputs(example, encoder.encode(example, 64))
        assert not inputs["object_words"].any() and len(inputs["object_words"]) == 4


def test_training_data_without_labels_is_reported(logged):
    ocsga(context_of(small_bert("mner"), EXAMPLES["mner"]), object_width=5)
    assert [message for message in logged() if message.code == "ocsga-no-labels"][0].fields == {"examples": 3}


def test_vectors_of_a_file_are_frozen_and_their_coverage_is_reported(tmp_path, logged):
    file = tmp_path / "vectors.txt"
    file.write_text("person 1 2 3\ndog 4 5 6\nunseen 7 8 9\n", encoding="utf-8")
    fusion = ocsga(context_of(small_bert("mner")), object_width=3, glove=str(file))
    (note,) = fusion.provenance_notes()
    assert (note.code, note.fields) == ("ocsga-label-vectors", {"file": "vectors.txt", "found": 2, "words": 4})
    assert note in logged()
    vectors = fusion.objects
    assert not vectors.weight.requires_grad
    assert vectors.weight[vectors.vocabulary.index("dog")].tolist() == [4, 5, 6]
    assert vectors.weight[vectors.vocabulary.index("unseen")].tolist() == [7, 8, 9]
    (learned,) = built()[0].provenance_notes()
    assert learned.code == "ocsga-learned-labels"


def test_a_fusion_is_restored_without_the_file_of_vectors(tmp_path):
    file = tmp_path / "vectors.txt"
    file.write_text("person 1 2 3\n", encoding="utf-8")
    encoder = small_bert("mner")
    fusion = ocsga(context_of(encoder), object_width=3, glove=str(file))
    fusion.save(tmp_path)
    file.unlink()
    restored = ocsga(context_of(encoder, (), folder=tmp_path), object_width=3, glove=str(file))
    restored.load_state_dict(fusion.state_dict())
    assert restored.objects.vocabulary == fusion.objects.vocabulary


# --------------------------------------------------------------------------------------------------------------- fusion
@torch.no_grad()
def test_without_objects_it_is_the_encoder_with_a_batch_norm():
    fusion, encoder, text, visual, extras = built()
    expected = fusion.norm(encoder(text).states, text.mask)
    blind = {name: tensor * 0 for name, tensor in extras.items()}
    for images, inputs in ((visual, blind), (None, extras), (without_images(visual), extras)):
        states = fusion(encoder, text, images, inputs).states
        torch.testing.assert_close(states[text.mask], expected[text.mask])
    states = fusion(encoder, text, visual, extras).states
    changed = [bool((states - expected)[row][text.mask[row]].abs().max() > 1e-3) for row in range(3)]
    assert changed == [True, True, False]  # the third example has no objects


@torch.no_grad()
def test_the_order_of_objects_does_not_matter_and_their_names_do():
    fusion, encoder, text, visual, extras = built(num_layers=2)
    states = fusion(encoder, text, visual, extras).states
    order = torch.tensor([2, 0, 3, 1])
    turned = {name: tensor[:, order] for name, tensor in extras.items()}
    torch.testing.assert_close(fusion(encoder, text, visual, turned).states[text.mask], states[text.mask])
    renamed = extras | {"object_words": torch.where(extras["object_words"] > 0, 2, 0)}
    difference = (fusion(encoder, text, visual, renamed).states - states)[:2][text.mask[:2]]
    assert float(difference.abs().max()) > 1e-3


@torch.no_grad()
def test_a_name_whose_region_does_not_exist_does_not_count():
    fusion, encoder, text, visual, extras = built()
    assert not visual.mask[1, 1] and (extras["object_regions"][1] == 1).any()
    missing = extras["object_regions"] == 1
    missing[0] = False
    removed = extras | {"object_words": extras["object_words"].masked_fill(missing, 0)}
    first, second = (fusion(encoder, text, visual, inputs).states for inputs in (extras, removed))
    torch.testing.assert_close(first[text.mask], second[text.mask])


@torch.no_grad()
def test_pixels_are_not_read():
    fusion, encoder, text, visual, extras = built()
    other = replace(visual, levels=tuple(level + 1 for level in visual.levels))
    assert torch.equal(fusion(encoder, text, other, extras).states, fusion(encoder, text, visual, extras).states)


def test_the_norm_divides_by_the_unbiased_deviation_and_has_finite_gradients_at_zero():
    norm, states = UnbiasedNorm(4), torch.tensor([[1.0, 2.0, 3.0, 6.0], [0.0, 0.0, 0.0, 0.0]], requires_grad=True)
    result = norm(states)
    expected = (states[0] - 3) / (torch.tensor([1.0, 2.0, 3.0, 6.0]).std() + 1e-6)
    torch.testing.assert_close(result[0], expected)
    assert not result[1].any()
    result.square().sum().backward()
    assert states.grad.isfinite().all()


def test_batch_statistics_leave_out_padding_and_are_torch_s_with_all_included():
    states, mask = torch.randn(3, 5, 4), torch.arange(5) < torch.tensor([5, 3, 1])[:, None]
    for counted in (mask, torch.ones_like(mask)):
        ours, theirs = PaddedBatchNorm(4), nn.BatchNorm1d(4)
        torch.testing.assert_close(ours(states, counted)[counted], theirs(states[counted]))
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            torch.testing.assert_close(getattr(ours, name), getattr(theirs, name))
        torch.testing.assert_close(ours.eval()(states, counted)[counted], theirs.eval()(states[counted]))


@torch.no_grad()
def test_a_trace_shows_attention_to_the_regions_of_named_objects():
    fusion, encoder, text, visual, extras = built()
    trace = Trace()
    fusion(encoder, text, visual, extras, trace)
    (attention,) = trace.attention
    cells, length = 3 * 4, text.mask.shape[1]
    assert attention.shape == (3, 2, length, cells + length)
    by_region = attention[..., :cells].unflatten(-1, (3, 4)).sum(-1)
    torch.testing.assert_close(by_region[:2].sum(-1), torch.ones(2, 2, length))
    assert not by_region[..., 0].any()  # the full image has no name
    assert not by_region[1, ..., 1].any()  # this region does not exist
    assert torch.equal(attention[2, 0, :, cells:], torch.eye(length))  # the third example has no objects
    signal = trace.extra_tensors["object signal"]
    assert signal.shape == text.mask.shape
    assert ((signal[:2] > 0) & (signal[:2] < 1))[text.mask[:2]].all() and not signal[2].any()


# ------------------------------------------------------------------------------------------------- training and recipes
TEXT = "text={encoder: char-bilstm, word_width: 8, hidden: 8, character_width: 4, character_hidden: 4}"
VISION = "vision={backbone: object-labels, weights: none, full_image: false, max_objects: 2, grid: 1}"
FUSION = "fusion={name: ocsga, object_width: 8, dropout: 0.1}"


def test_it_learns(mner_data, tmp_path):
    recipe = tiny.recipe(tmp_path, mner_data.folder, "mner", overrides=(TEXT, VISION, FUSION))
    torch.manual_seed(3)
    model = build_model(recipe, REGISTRY, mner_data.labels, mner_data.examples("train")).train()
    batcher = Batcher(model, recipe)
    batch = batcher.collate([batcher.encode(one, labeled=True) for one in list(mner_data.examples("train"))[:6]])
    assert batch.extras["object_words"].any()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = model(batch).loss
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]


def named_after(label: str, number: int) -> Example:
    """A text that leaves the type of its name open; the name of its object reveals it."""
    phrase = {"PER": "person", "LOC": "traffic light"}[label]
    objects = (VisualObject(Path("x.png"), phrase=phrase), VisualObject(Path("x.png"), phrase="dog"))
    return Example(str(number), ("I", "like", "Jordan"), tags=("O", "O", f"B-{label}"), objects=objects)


def test_names_of_objects_reveal_what_the_text_leaves_open():
    examples = [named_after(("PER", "LOC")[number % 2], number) for number in range(8)]
    torch.manual_seed(0)
    encoder = char_bilstm(TextContext("mner", examples), **SMALL, dropout=0.0)
    fusion = ocsga(context_of(encoder, examples, full_image=False), object_width=8, dropout=0.1)
    head = REGISTRY.build("head", "crf", HeadContext(LABELS["mner"], fusion.width), {"dropout": 0.0})
    text, _, extras = inputs_of(fusion, encoder, examples)
    targets = stack([head.build_targets(example, encoder.encode(example, 64)) for example in examples])
    mask = torch.ones(len(examples), 2, dtype=torch.bool)
    level = torch.zeros(len(examples), 2, 1, 1)
    visual = Visual((level,), ImageBatch(mask, torch.zeros(len(examples), 2, 4), features=(level[mask],)))
    modules = nn.ModuleList([encoder, fusion, head]).train()
    optimizer = torch.optim.AdamW(modules.parameters(), lr=1e-2)
    for _ in range(40):
        optimizer.zero_grad()
        head.loss(head(fusion(encoder, text, visual, extras), text), text, targets).backward()
        optimizer.step()
    modules.eval()
    decoded = head.decode(head(fusion(encoder, text, visual, extras), text), text)
    assert [[entity.type for entity in row] for row in decoded] == [["PER"], ["LOC"]] * 4


def test_objects_of_the_demo_have_names(tmp_path):
    generate(tmp_path / "demo", task="mner", size=24)
    data = open_prepared(tmp_path / "demo")
    overrides = (TEXT, VISION, FUSION)
    recipe = tiny.recipe(tmp_path, tmp_path / "demo", "mner", overrides=overrides)
    model = build_model(recipe, REGISTRY, data.labels, data.examples("train"))
    batcher = Batcher(model, recipe)
    named = [bool(batcher.encode(one, labeled=True).extras["object_words"].any()) for one in data.examples("train")]
    assert sum(named) > len(named) / 2
    assert len(model.fusion.objects.vocabulary.items) > 5


def test_a_trained_model_has_its_notes_and_is_restored(mner_data, tmp_path):
    recipe = tiny.recipe(tmp_path, mner_data.folder, "mner", overrides=(TEXT, VISION, FUSION))
    finished = train(recipe, REGISTRY, tmp_path / "model")
    card = (finished.folder / "README.md").read_text(encoding="utf-8")
    for code in ("ocsga-labels-only", "ocsga-learned-labels", "text-encoder-and-word-vectors-random"):
        assert str(Message(code)) in card
    model = load_model(open_model_folder(finished.folder), "cpu")
    assert set(model.fusion.objects.vocabulary.items) >= {"Paris"}  # tiny objects are named after places and people


def test_the_recipe_is_that_of_the_authors_with_a_mean_loss():
    recipe = load_recipe("ocsga_mner")
    assert recipe.vision is not None
    assert (recipe.vision.backbone, recipe.vision.full_image, recipe.vision.max_objects) == ("object-labels", False, 4)
    train_spec = recipe.train
    assert (train_spec.optimizer, train_spec.batch_size, train_spec.epochs, train_spec.seed) == ("sgd", 10, 200, 42)
    assert train_spec.lr / train_spec.batch_size == pytest.approx(0.005)  # their loss is the sum over a batch
    assert train_spec.lr * train_spec.weight_decay == pytest.approx(0.005 * 1e-8)
    assert (train_spec.lr_decay, train_spec.momentum, train_spec.max_grad_norm) == (0.05, 0.0, 0.0)


def test_a_head_scores_its_states():
    fusion, encoder, text, visual, extras = built()
    head = REGISTRY.build("head", "crf", HeadContext(LABELS["mner"], fusion.width), {"dropout": 0.0}).eval()
    emissions = head(fusion(encoder, text, visual, extras), text)
    assert emissions.shape == (*text.word_mask.shape, len(LABELS["mner"].names))
