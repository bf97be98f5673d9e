from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch
from raising import raises

import hvpkit
from hvpkit.batching import Batcher
from hvpkit.config.loading import load_recipe
from hvpkit.errors import ComponentError, ModelFolderError
from hvpkit.evaluation.evaluate import evaluate
from hvpkit.explain.explain_example import explain_example
from hvpkit.inference.inputs import parse_example
from hvpkit.interfaces import Trace, Visual
from hvpkit.messages import Message
from hvpkit.model.heads.classifiers import entity_start_states
from hvpkit.model.model import build_model
from hvpkit.registry import load_registry
from hvpkit.saving.model_folder import open_model_folder
from hvpkit.testing import check_fusion
from hvpkit.testing.fusions import _context
from hvpkit.testing.inputs import EXAMPLES, encode, random_visual, small_bert, stack, text_batch, without_images
from hvpkit.training.train import train
from hvpkit.types import Box, Example, Span, VisualObject
from hvpkit_plugins.mega import dependencies
from hvpkit_plugins.mega.alignment import align, keep_nearest, node_features
from hvpkit_plugins.mega.dependencies import ArcSource, choose_arc_source, load_arc_source
from hvpkit_plugins.mega.graphs import align_words, aligned_positions, existing_regions, is_near, region_edges
from hvpkit_plugins.mega.layers import structural_weights

REGISTRY = load_registry()
FUSIONS = {"mre": "mega", "mner": "mega-words"}
mega = REGISTRY.get("fusion", "mega").factory
CELLS = 4  # of each image region
CHAIN = {"dependencies": "chain"}
PIPELINE = "en_tiny_arcs"
BOXES = (Box(0, 0, 10, 10), Box(5, 5, 15, 15), Box(90, 90, 100, 100))
OBJECTS = tuple(VisualObject(Path("x.png"), box=box) for box in BOXES)


def example_of(task: str, number: int) -> Example:
    return replace(EXAMPLES[task][number], image=Path("x.png"), objects=OBJECTS[:2])


def built(task="mre", **options):
    """A fusion, its encoder, three texts, the images of two of them, and the alignments."""
    torch.manual_seed(0)
    encoder = small_bert(task)
    fusion = mega(_context(task, encoder), **CHAIN | options).eval()
    examples = [example_of(task, number) for number in range(3)]
    encoded = encode(encoder, examples)
    extras = stack([fusion.build_inputs(*pair) for pair in zip(examples, encoded, strict=True)])
    return fusion, encoder, text_batch(encoder, encoded), random_visual((3, 3), CELLS), extras


# ------------------------------------------------------------------------------------------------------------ contract
@pytest.mark.parametrize("task", ["mner", "mre"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"alignment": "semantic"},
        {"alignment": "structural", "nearest": 1},
        {"empty_objects_seen": True, "levels": "all"},
        {"reshape": True},
    ],
)
def test_with_any_options_it_keeps_the_contract(options, task):
    check_fusion(REGISTRY.get("fusion", FUSIONS[task]).factory, task=task, **CHAIN | options)


def test_its_module_comes_without_torch_and_spacy():
    program = "import sys, hvpkit_plugins.mega; print({'torch', 'spacy'} & {*sys.modules})"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert output == "set()\n"


def test_images_are_needed():
    with raises(ComponentError, "mega-without-vision"):
        mega(replace(_context("mre", small_bert("mre")), backbone=None))


# ------------------------------------------------------------------------------------------------ alignment of nodes
def written_features(nodes: int, edges) -> list[Counter]:
    """Count nodes by (hops, floor(log2(degree))) around each node, by breadth-first search."""
    neighbors = {node: set() for node in range(nodes)}
    for one, other in edges:
        neighbors[one].add(other)
        neighbors[other].add(one)
    counts = []
    for node in range(nodes):
        level, seen, count = {node}, {node}, Counter()
        for hop in range(3):
            for each in level:
                if neighbors[each]:
                    count[hop, len(bin(len(neighbors[each]))) - 3] += 1
            level = {other for each in level for other in neighbors[each]} - seen
            seen |= level
        counts.append(count)
    return counts


@pytest.mark.parametrize("density", [0.05, 0.2, 0.6])
def test_features_of_nodes_are_the_written_out_counts(density):
    generator, nodes = torch.Generator().manual_seed(int(100 * density)), 24
    drawn = torch.rand(nodes, nodes, generator=generator) < density
    edges = [(one, other) for one in range(nodes) for other in range(one) if drawn[one, other]]
    features = node_features(nodes, edges)
    for node, count in enumerate(written_features(nodes, edges)):
        expected = torch.zeros(features.shape[1], dtype=torch.float64)
        for (hop, power), number in count.items():
            expected[power] += 0.01**hop * number
        torch.testing.assert_close(features[node], expected)


def test_the_similarity_is_the_closed_form_and_1_between_nodes_with_equal_surroundings():
    edges = [(0, 1), (1, 2), (3, 4), (4, 5), (5, 3)]  # a chain of words, a triangle of objects; 6 is isolated
    alignment = align(3, 4, edges)
    features = node_features(7, edges)
    for word in range(3):
        for other in range(4):
            distance = (features[word] - features[3 + other]).norm()
            expected = (-(2 - 2 * (-distance).exp()).sqrt()).exp()
            torch.testing.assert_close(alignment[word, other], expected)
    assert align(2, 2, [(0, 1), (2, 3)]).tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert torch.equal(align(1, 1, []), torch.ones(1, 1, dtype=torch.float64))  # both are isolated
    assert torch.equal(alignment, align(3, 4, [*edges, (1, 0), (0, 1)]))


def test_the_nearest_existing_objects_are_kept_and_the_first_of_equal_ones():
    alignment = torch.tensor([[0.5, 0.9, 0.5, 0.9], [0.1, 0.2, 0.3, 0.4]])
    exists = torch.tensor([True, True, True, False])
    kept = torch.tensor([[0.5, 0.9, 0, 0], [0, 0.2, 0.3, 0]])
    assert torch.equal(keep_nearest(alignment, exists, 2), kept)
    assert torch.equal(keep_nearest(alignment, exists, 9), alignment * exists)
    assert not keep_nearest(alignment, ~torch.ones(4, dtype=torch.bool), 2).any()


# -------------------------------------------------------------------------------------------------- graph of an example
def test_boxes_are_near_if_they_overlap_or_by_the_distance_of_their_centers():
    one, overlapping, far = BOXES
    assert is_near(one, overlapping) and not is_near(one, far)
    assert is_near(one, Box(0, 10, 10, 19)) and is_near(one, None)  # the centers are 9.5 apart, the mean side is 9.75
    assert not is_near(one, Box(0, 11, 10, 21))


def test_regions_are_linked_by_their_boxes_and_the_full_image_to_all():
    example = Example("1", ("a",), image=Path("x.png"), objects=OBJECTS)
    assert [*region_edges(example, True, 3)] == [(0, 1), (0, 2), (0, 3), (1, 2)]
    assert [*region_edges(example, False, 3)] == [(0, 1)]
    assert [*region_edges(example, False, 2)] == [(0, 1)]
    unknown = replace(example, objects=(VisualObject(Path("x.png")), OBJECTS[2]))
    assert [*region_edges(unknown, False, 2)] == [(0, 1)]
    assert existing_regions(replace(unknown, image=None), True, 4) == [False, True, True, False, False]
    assert existing_regions(replace(unknown, image=None, objects=(VisualObject(box=BOXES[0]),)), False, 1) == [False]


def test_a_chain_links_neighbors_and_the_pair_and_leaves_out_links():
    words = ("Ada", "https://t.co/x", "likes", "her", "WWW.example.org", "cat")
    example = Example("1", words, head=Span(0, 1), tail=Span(5, 6))
    assert ArcSource().arcs(example) == ((0, 2), (2, 3), (3, 5), (0, 5))
    assert ArcSource().arcs(replace(example, head=None, tail=None)) == ((0, 2), (2, 3), (3, 5))


def test_words_are_aligned_by_the_graph_and_links_and_missing_objects_are_not():
    words = ("Ada", "likes", "https://t.co/x", "cats")
    example = Example("1", words, image=Path("x.png"), objects=OBJECTS[:2])
    rows = align_words(example, ArcSource(), False, 4, 5, False)
    expected = align(4, 4, [(0, 1), (1, 3), (4, 5)])
    assert torch.equal(rows[[0, 1, 3], :2], expected[[0, 1, 3], :2])
    assert not rows[2].any() and not rows[:, 2:].any()
    seen = align_words(example, ArcSource(), False, 4, 5, True)
    assert torch.equal(seen[[0, 1, 3]], expected[[0, 1, 3]])


def test_every_wordpiece_has_the_row_of_its_word_and_markers_have_none():
    encoder, example = small_bert("mre"), EXAMPLES["mre"][2]
    encoded = encoder.encode(example, 64)
    rows = torch.arange(1, 1 + len(example.words))[:, None].double()
    positions = aligned_positions(rows, encoded)
    assert positions.shape == (encoded.length, 1) and positions.dtype == torch.float32
    assert positions[:, 0].tolist() == [float(word + 1) for word in encoded.word_ids]


def test_rows_of_a_window_are_those_of_its_words():
    words = tuple("Ada" if i % 2 else "Paris" for i in range(40))
    example = Example("late", words, head=Span(34, 35), tail=Span(36, 37), relation="None")
    encoded = small_bert("mre").encode(example, 40)
    assert encoded.first_word > 0
    positions = aligned_positions(torch.arange(40)[:, None].double(), encoded)
    inside = encoded.word_ids >= 0
    assert positions[inside, 0].tolist() == (encoded.word_ids + encoded.first_word)[inside].tolist()


# -------------------------------------------------------------------------------------------------------------- network
@torch.no_grad()
@pytest.mark.parametrize("task", ["mner", "mre"])
def test_the_result_is_the_written_out_one(task):
    fusion, encoder, text, visual, extras = built(task)
    states, fused = encoder(text).states, fusion(encoder, text, visual, extras)
    for row in range(3):
        length = int(text.mask[row].sum())
        words = fusion.words(states[row, :length])
        vector = torch.zeros(fusion.width)
        for region in range(3):
            for cell in range(CELLS if visual.mask[row, region] else 0):
                mapped = fusion.objects(visual.levels[-1][row, region, :, cell])
                scores = fusion.semantic.key(words) @ fusion.semantic.query(mapped) / fusion.width**0.5
                semantic = (scores.softmax(0) @ fusion.semantic.value(words)).sigmoid()
                structural = extras["alignment"][row, :length, region] @ words
                vector += fusion.pool.linear(torch.cat([semantic, structural]))
        if task == "mner":
            expected = torch.stack([fusion.join(torch.cat([word, vector])) for word in words])
            torch.testing.assert_close(fused.states[row, :length], expected, atol=1e-5, rtol=1e-5)
        else:
            relation = entity_start_states(states, text)[row]
            expected = fusion.join(torch.cat([relation, vector]))
            torch.testing.assert_close(fused.pooled[row], expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_objects_together_with_their_alignment_may_be_in_any_order():
    fusion, encoder, text, visual, extras = built()
    extras = {"alignment": torch.rand_like(extras["alignment"]) * text.mask[..., None]}
    before, order = fusion(encoder, text, visual, extras).pooled, torch.tensor([2, 0, 1])
    images = replace(visual.images, mask=visual.mask[:, order])
    moved = Visual(tuple(level[:, order] for level in visual.levels), images)
    torch.testing.assert_close(
        fusion(encoder, text, moved, {"alignment": extras["alignment"][..., order]}).pooled, before
    )
    alone = fusion(encoder, text, moved, extras).pooled
    assert not torch.allclose(alone[1], before[1], atol=1e-2)  # the row of its missing object counts


@torch.no_grad()
def test_without_objects_their_vector_is_0_unless_missing_ones_are_seen():
    for seen in (False, True):
        fusion, encoder, text, visual, extras = built(empty_objects_seen=seen)
        words = fusion.words(encoder(text).states)
        for images in (without_images(visual), None):
            vector = fusion.object_vector(words, text, images, extras)
            assert bool(vector.any()) == seen


def test_the_alignment_is_transposed_and_only_reshaped_if_asked():
    alignment = torch.arange(6.0).view(1, 3, 2)  # 3 positions, 2 regions
    mask = torch.ones(1, 3, dtype=torch.bool)
    assert structural_weights(alignment, mask, 1, None)[0].tolist() == [[0, 2, 4], [1, 3, 5]]
    assert structural_weights(alignment, mask, 1, 3)[0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert structural_weights(alignment, mask, 1, 4)[0].tolist() == [[0, 1, 2], [4, 5, 0]]  # [0 1 2 3], [4 5 0 0]
    padded = torch.tensor([[True, True, False]])
    assert structural_weights(alignment, padded, 1, 3)[0].tolist() == [[0, 1, 0], [3, 4, 0]]
    assert structural_weights(alignment, mask, 2, None)[0].tolist() == [[0, 2, 4]] * 2 + [[1, 3, 5]] * 2


@torch.no_grad()
def test_objects_attend_to_padding_only_if_asked():
    changes = []
    for seen in (False, True):
        fusion, encoder, text, visual, extras = built(pads_seen=seen)
        words = fusion.words(encoder(text).states)
        noise = torch.where(text.mask[..., None], words, words + 1)
        vectors = [fusion.object_vector(each, text, visual, extras) for each in (words, noise)]
        changes.append(float((vectors[0] - vectors[1]).abs().max()))
    assert changes[0] == 0 and changes[1] > 1e-3


@torch.no_grad()
def test_a_trace_has_both_alignments():
    fusion, encoder, text, visual, extras = built()
    trace = Trace()
    fusion(encoder, text, visual, extras, trace)
    semantic, structural = (trace.extra_tensors[f"{kind} alignment"] for kind in ("semantic", "structural"))
    exists = visual.mask.repeat_interleave(CELLS, dim=1)
    torch.testing.assert_close(semantic.sum(-1), exists.float())
    assert torch.equal(structural[:, ::CELLS], extras["alignment"].transpose(1, 2) * visual.mask[..., None])
    for attention, weights in zip(trace.attention, (semantic, structural), strict=True):
        cells, total = attention[:, 0, :, : 3 * CELLS], weights.sum(1)
        torch.testing.assert_close(cells * total[..., None], weights.transpose(1, 2))
        torch.testing.assert_close(cells.sum(-1), (total > 0).float())
    assert trace.cells.tolist() == [[*range(3 * CELLS)]]


def test_without_structural_alignment_no_graph_is_made():
    encoder, example = small_bert("mre"), EXAMPLES["mre"][0]
    fusion = mega(_context("mre", encoder), alignment="semantic", dependencies="spacy", pipeline="en_none")
    assert fusion.build_inputs(example, encoder.encode(example, 64)) == {}
    assert fusion.arc_source is None and fusion.provenance_notes() == []


# --------------------------------------------------------------------------------------------------- dependency parsers
LESSON = {
    "words": ["the", "cat", "sees", "a", "dog"],
    "tags": ["DT", "NN", "VBZ", "DT", "NN"],
    "heads": [1, 2, 2, 4, 2],
    "deps": ["det", "nsubj", "ROOT", "det", "dobj"],
}
ARCS = ((1, 0), (2, 1), (4, 3), (2, 4))


@pytest.fixture(scope="module")
def parser_package(tmp_path_factory) -> Path:
    """A folder with an installed package of a spaCy pipeline, whose parser knows one sentence."""
    spacy = pytest.importorskip("spacy")
    from spacy.training import Example as Lesson

    language = spacy.blank("en", meta={"name": "tiny_arcs", "version": "1.0"})
    language.add_pipe("parser")
    lesson = Lesson.from_dict(language.make_doc("the cat sees a dog"), LESSON)
    step = language.initialize(lambda: [lesson] * 40)  # rarer labels are left out
    for _ in range(25):
        language.update([lesson], sgd=step)
    folder = tmp_path_factory.mktemp("site-packages")
    package, information = folder / PIPELINE, folder / f"{PIPELINE}-1.0.dist-info"
    package.mkdir()
    language.to_disk(package / f"{PIPELINE}-1.0")
    (package / "meta.json").write_text((package / f"{PIPELINE}-1.0" / "meta.json").read_text())
    (package / "__init__.py").write_text(
        "from spacy.util import load_model_from_init_py\n"
        "def load(**options):\n    return load_model_from_init_py(__file__, **options)\n"
    )
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PIPELINE}\nVersion: 1.0\n")
    return folder


@pytest.fixture
def pipeline(parser_package, monkeypatch):
    """The name of an installed pipeline."""
    monkeypatch.syspath_prepend(parser_package)
    yield PIPELINE
    sys.modules.pop(PIPELINE, None)
    dependencies._load.cache_clear()
    dependencies._parse.cache_clear()


def test_arcs_of_a_pipeline_are_between_the_words_that_are_no_links(pipeline):
    source = choose_arc_source("auto", pipeline)
    assert source == ArcSource(PIPELINE, "1.0")
    assert source.arcs(Example("1", tuple(LESSON["words"]))) == ARCS
    moved = Example("2", ("the", "cat", "sees", "https://t.co/x", "a", "dog"))
    assert source.arcs(moved) == tuple((one + (one > 2), other + (other > 2)) for one, other in ARCS)
    assert source.arcs(Example("3", ("https://t.co/x",))) == ()
    note = source.note()
    assert (note.code, note.fields) == ("mega-arcs-pipeline", {"pipeline": PIPELINE, "version": "1.0"})


def test_a_saved_fusion_keeps_its_arcs(pipeline, tmp_path):
    context = _context("mre", small_bert("mre"))
    fusion = mega(context, pipeline=pipeline)
    fusion.save(tmp_path)
    saved = replace(context, folder=tmp_path, examples=())
    assert mega(saved, dependencies="chain", pipeline="en_other").arc_source == ArcSource(PIPELINE, "1.0")
    mega(context, dependencies="chain").save(tmp_path)
    assert mega(saved, pipeline=pipeline).arc_source == ArcSource()


def test_another_version_of_the_pipeline_is_reported(pipeline, tmp_path, logged):
    ArcSource(PIPELINE, "0.9").save(tmp_path)
    assert load_arc_source(tmp_path) == ArcSource(PIPELINE, "0.9")
    (warning,) = [message for message in logged() if message.code == "mega-pipeline-version"]
    assert warning.fields == {"pipeline": PIPELINE, "expected": "0.9", "found": "1.0"}


@pytest.mark.parametrize(
    ("name", "code"), [("en_none", "mega-pipeline-not-installed"), ("os", "mega-pipeline-not-a-name")]
)
def test_a_pipeline_that_is_not_installed_is_refused_or_replaced_by_a_chain(name, code, tmp_path, logged):
    pytest.importorskip("spacy")
    assert choose_arc_source("auto", name) == ArcSource()
    assert "mega-arcs-chain" in [message.code for message in logged()]
    for refused, expected in (
        (lambda: choose_arc_source("spacy", name), "mega-pipeline-unavailable"),
        (lambda: load_arc_source(tmp_path), "mega-pipeline-needed"),
    ):
        ArcSource(name, "1.0").save(tmp_path)
        with raises(ComponentError, expected, pipeline=name) as caught:
            refused()
        assert caught.value.fields["reason"].code == code


def test_a_pipeline_without_a_parser_is_refused(pipeline, parser_package):
    dependencies._load(pipeline).remove_pipe("parser")
    with raises(ComponentError, "mega-pipeline-unavailable", pipeline=PIPELINE) as caught:
        choose_arc_source("spacy", pipeline)
    assert caught.value.fields["reason"].code == "mega-pipeline-without-parser"


@pytest.mark.parametrize("content", ["", "[]", '{"arcs": 1}', None])
def test_an_unreadable_description_of_arcs_is_refused(content, tmp_path):
    if content is not None:
        (tmp_path / "arcs.json").write_text(content)
    with raises(ModelFolderError, "mega-arcs-unreadable", file=tmp_path / "arcs.json"):
        load_arc_source(tmp_path)


# ------------------------------------------------------------------------------------------------ training and recipes
TEXT = "text={encoder: bert-from-scratch, width: 16, num_layers: 1, num_attention_heads: 2}"


def overrides_of(task: str) -> tuple[str, ...]:
    head = {"mre": "head={name: cls, dropout: 0.1}", "mner": "head=crf"}[task]
    return (TEXT, f"fusion={{name: {FUSIONS[task]}, dependencies: chain}}", head, "train.epochs=2")


@pytest.mark.parametrize("task", ["mner", "mre"])
def test_it_learns(task, request, tmp_path):
    data = request.getfixturevalue(f"{task}_data")
    recipe = tiny.recipe(tmp_path, data.folder, task, overrides=overrides_of(task))
    torch.manual_seed(3)
    model = build_model(recipe, REGISTRY, data.labels, data.examples("train")).train()
    batcher = Batcher(model, recipe)
    batch = batcher.collate([batcher.encode(one, labeled=True) for one in list(data.examples("train"))[:6]])
    assert batch.extras["alignment"].any()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(25):
        optimizer.zero_grad()
        loss = model(batch).loss
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("task", ["mner", "mre"])
def test_it_is_trained_scored_asked_and_explained(task, request, tmp_path):
    data = request.getfixturevalue(f"{task}_data")
    recipe = tiny.recipe(tmp_path, data.folder, task, overrides=overrides_of(task))
    finished = train(recipe, REGISTRY, tmp_path / "model")
    assert str(Message("mega-arcs-chain")) in (finished.folder / "README.md").read_text(encoding="utf-8")
    assert json.loads((finished.folder / "fusion" / "arcs.json").read_text()) == {"pipeline": None, "version": None}
    assert evaluate(open_model_folder(finished.folder), "test").scores == finished.test
    predictor = hvpkit.load(finished.folder, device="cpu")
    example = data.examples("test")[0]
    explained = explain_example(predictor, parse_example(example, predictor.folder.recipe))
    assert {change.kind for change in explained.counterfactuals} == {"no images", "no object", "no full image"}
    assert any(look is not None for look in explained.attention)
    regions, cells = 3, 4
    for kind in ("semantic", "structural"):
        assert len(explained.extra_tensors[f"{kind} alignment"]) == regions * cells
    for weights in explained.extra_tensors["semantic alignment"]:
        assert sum(weights) == pytest.approx(1)
    own = {"mre": {"head": "Ada", "tail": "Paris"}, "mner": {}}[task]  # own data: no boxes
    image = tiny.draw(tmp_path / "own.png", 5)
    assert predictor.predict("Ada visits Paris", image=image, **own).image_used


def test_the_recipes_have_the_authors_settings_and_the_shared_ones():
    names = ("mega_mre", "mega_mner", "bertsg_mre")
    paper, entities, control = (load_recipe(name, registry=REGISTRY) for name in names)
    spec = paper.train
    assert (spec.optimizer, spec.lr, spec.weight_decay, spec.batch_size) == ("bert-adam", 2e-5, 0.01, 32)
    assert (spec.epochs, spec.warmup_steps, spec.max_grad_norm) == (10, 300, 0.0)
    assert (paper.vision.num_images, paper.vision.full_image, paper.head.options["dropout"]) == (10, False, 0.5)
    assert (paper.train, paper.vision, paper.text) == (control.train, control.vision, control.text)
    assert (entities.train, entities.vision, entities.fusion.name) == (paper.train, paper.vision, "mega-words")
    assert entities.fusion.options == paper.fusion.options
    for task in ("mner", "mre"):
        common, umt = load_recipe(f"mega_common_{task}"), load_recipe(f"umt_common_{task}")
        assert (common.train, common.vision, common.text, common.data) == (umt.train, umt.vision, umt.text, umt.data)
