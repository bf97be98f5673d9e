from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import pytest
import tiny
import torch
from raising import raises
from torch import Tensor

from hvpkit.batching import Batcher, pad
from hvpkit.config.loading import load_recipe
from hvpkit.errors import ComponentError, RecipeError
from hvpkit.interfaces import Fused, HeadContext, Trace
from hvpkit.labels.bio import decode_bio
from hvpkit.model.model import build_model
from hvpkit.registry import load_registry
from hvpkit.testing import check_fusion
from hvpkit.testing.fusions import _context
from hvpkit.testing.inputs import EXAMPLES, LABELS, encode, random_visual, small_bert, stack, text_batch, without_images
from hvpkit.types import Example, Span
from hvpkit_plugins.umt.layers import CrossLayer
from hvpkit_plugins.umt.spans import conversion_matrix, span_tags

REGISTRY = load_registry()
umt = REGISTRY.get("fusion", "umt").factory
TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-MISC", "I-MISC")


def built(task="mner", **options):
    torch.manual_seed(0)
    encoder = small_bert(task)
    fusion = umt(_context(task, encoder), **options).eval()
    examples = EXAMPLES[task]
    encoded = encode(encoder, examples)
    extras = stack([fusion.build_inputs(*pair) for pair in zip(examples, encoded, strict=True)])
    return fusion, encoder, text_batch(encoder, encoded), random_visual((3, 3), 4), extras


# ----------------------------------------------------------------------------------------------------------------
# contract
@pytest.mark.parametrize(
    "options",
    [
        {"alpha": 1.0},
        {"num_layers": 2},
        {"num_attention_heads": 4},
        {"beta": 0.0, "levels": "all"},
        {"alpha": 0.0, "beta": 2.0},
    ],
)
def test_with_any_options_it_keeps_the_contract(options):
    check_fusion(umt, **options)


def test_for_relations_it_keeps_the_contract_with_and_without_spans():
    check_fusion(umt, task="mre")
    check_fusion(umt, task="mre", beta=0.5)


# -------------------------------------------------------------------------------------------------------------------
# spans
@pytest.mark.parametrize("names", [TAGS, ("O", "B-PER", "I-PER"), ("O", "B-PER", "I-PER", "B-LOC")])
def test_rows_of_the_conversion_matrix_sum_to_one_and_are_uniform_over_types(names):
    matrix = conversion_matrix(names)
    torch.testing.assert_close(matrix.sum(1), torch.ones(3))
    for row, letter in zip(matrix, "OBI", strict=True):
        allowed = [name.startswith(letter) for name in names]
        assert row[torch.tensor(allowed)].unique().tolist() == pytest.approx([1 / sum(allowed)])
        assert not row[~torch.tensor(allowed)].any()


def test_span_tags_are_the_first_letters_of_the_tags():
    encoder = small_bert("mner")
    for example in EXAMPLES["mner"]:
        tags = span_tags(example, encoder.encode(example, 64))
        assert ["?OBI"[tag] for tag in tags] == [tag[0] for tag in example.tags]


def test_span_tags_of_a_long_text_are_those_of_the_kept_words():
    example = Example("long", ("Ada",) * 40, tags=("B-PER", *["O"] * 39))
    encoded = small_bert("mner").encode(example, 16)
    assert encoded.num_truncated_words > 0
    assert span_tags(example, encoded).tolist() == [2, *[1] * (len(encoded.word_starts) - 1)]


def test_a_pair_s_entities_are_the_spans_of_a_relation_also_where_its_window_begins_late():
    words = tuple("Ada" if 30 <= i < 33 else "Paris" for i in range(40))
    example = Example("late", words, head=Span(33, 34), tail=Span(30, 33), relation="None")
    encoded = small_bert("mre").encode(example, 40)
    assert encoded.first_word > 0
    letters = ["?OBI"[tag] for tag in span_tags(example, encoded)]
    tags = [letter if letter == "O" else f"{letter}-X" for letter in letters]
    found = [(run.start + encoded.first_word, run.end + encoded.first_word) for run in decode_bio(tags)]
    assert found == [(30, 33), (33, 34)]


def test_an_example_without_tags_has_no_part_in_the_span_loss():
    fusion, encoder, _, visual, _ = built()
    known, unknown = EXAMPLES["mner"][0], replace(EXAMPLES["mner"][2], tags=None)

    def losses(*examples: Example) -> dict[str, Tensor]:
        encoded = encode(encoder, examples)
        extras = {
            "span_tags": pad([fusion.build_inputs(*pair)["span_tags"] for pair in zip(examples, encoded, strict=True)])
        }
        return fusion(encoder, text_batch(encoder, encoded), None, extras).losses

    torch.testing.assert_close(losses(known, unknown)["spans"], losses(known)["spans"])
    assert losses(unknown) == {}


@torch.no_grad()
def test_the_loss_of_spans_asks_a_gpu_for_no_value(monkeypatch):
    monkeypatch.setattr(torch, "autocast", lambda *given, **named: nullcontext())  # it knows no meta device
    fusion, encoder, text, _, extras = built()
    given = encoder(text).states, text
    loss = fusion.to("meta").spans.loss(
        fusion.spans(*(each.to("meta") for each in given)), text.to("meta"), extras["span_tags"].to("meta")
    )
    assert loss.is_meta and loss.shape == ()


def test_the_loss_of_spans_is_the_written_out_likelihood_times_beta():
    fusion, encoder, text, visual, extras = built(beta=0.3)
    fused = fusion(encoder, text, visual, extras)
    emissions = fusion.spans(encoder(text).states, text)
    crf, total = fusion.spans.crf, 0.0
    for row, length in enumerate(text.word_mask.sum(1).tolist()):
        scores = {}
        for path in torch.cartesian_prod(*[torch.arange(3)] * length).reshape(-1, length).tolist():
            score = crf.start_transitions[path[0]] + crf.end_transitions[path[-1]]
            score = score + sum(emissions[row, i, tag] for i, tag in enumerate(path))
            scores[tuple(path)] = score + sum(crf.transitions[a, b] for a, b in zip(path, path[1:], strict=False))
        gold = tuple((extras["span_tags"][row, :length] - 1).tolist())
        total += float((torch.stack(list(scores.values())).logsumexp(0) - scores[gold]).detach())
    assert float(fused.losses["spans"].detach()) == pytest.approx(0.3 * total / 3, rel=1e-4)


# ---------------------------------------------------------------------------------------------------------------
# emissions
def emissions(fusion, encoder, text, visual, extras):
    torch.manual_seed(1)
    head = REGISTRY.build("head", "crf", HeadContext(LABELS["mner"], fusion.width), {}).eval()
    fused = fusion(encoder, text, visual, extras)
    return head(fused, text), head(Fused(fused.states), text), fusion.spans(encoder(text).states, text)


@torch.no_grad()
def test_emissions_are_the_alpha_mix_of_the_head_s_and_the_converted_span_tagger_s():
    mixed, own, spans = emissions(*built(alpha=0.7))
    matrix = conversion_matrix(LABELS["mner"].names)
    expected = torch.zeros_like(own)
    for b, n, tag in torch.cartesian_prod(*[torch.arange(size) for size in own.shape]).tolist():
        expected[b, n, tag] = 0.7 * own[b, n, tag] + 0.3 * sum(spans[b, n, s] * matrix[s, tag] for s in range(3))
    torch.testing.assert_close(mixed, expected)


@torch.no_grad()
def test_with_alpha_one_emissions_ignore_the_span_tagger():
    fusion, *inputs = built(alpha=1.0)
    mixed, own, _ = emissions(fusion, *inputs)
    assert torch.equal(mixed, own)
    for parameter in fusion.spans.parameters():
        parameter.add_(1.0)
    assert torch.equal(emissions(fusion, *inputs)[0], own)


@torch.no_grad()
def test_images_have_no_effect_with_alpha_zero():
    fusion, encoder, text, visual, extras = built(alpha=0.0)
    seen, blind = (emissions(fusion, encoder, text, given, extras)[0] for given in (visual, None))
    torch.testing.assert_close(seen, blind)


# -------------------------------------------------------------------------------------------------------------- the
# fusion
def layer_written_out(layer: CrossLayer, queries: Tensor, seen: Tensor) -> Tensor:
    """One row, head by head."""
    width = queries.shape[1] // layer.heads
    mixed = torch.zeros_like(queries)
    for h in range(layer.heads):
        part = slice(h * width, (h + 1) * width)
        scores = layer.query(queries)[:, part] @ layer.key(seen)[:, part].T / width**0.5
        mixed[:, part] = scores.softmax(-1) @ layer.value(seen)[:, part]
    states = layer.attention_norm(queries + layer.output(mixed))
    return layer.feedforward_norm(states + layer.feedforward(states))


@torch.no_grad()
def test_states_are_the_written_out_streams_of_existing_images_and_real_positions():
    fusion, encoder, text, visual, extras = built()
    states = fusion(encoder, text, visual, extras).states
    read, cells, names = (
        encoder(text).states,
        visual.levels[-1],
        ("words_on_cells", "cells_on_words", "words_on_read_cells"),
    )
    words_on_cells, cells_on_words, words_on_read_cells = (getattr(fusion, name).layers[0] for name in names)
    for row in (0, 1):
        s = read[row, text.mask[row]]
        v = torch.cat([cells[row, image].T for image in range(3) if visual.mask[row, image]])
        m = layer_written_out(fusion.text_layer, s, s)
        q = layer_written_out(words_on_cells, m, fusion.cells_read(v))
        p = layer_written_out(cells_on_words, fusion.cells_reading(v), m)
        c = layer_written_out(words_on_read_cells, m, p)
        gate = torch.sigmoid(fusion.gate(torch.cat([c, q], -1)))
        torch.testing.assert_close(states[row, text.mask[row]], torch.cat([c, gate * q], -1), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_padding_of_the_text_has_no_effect():
    fusion, encoder, text, visual, extras = built()
    other = torch.where(text.mask, text.features["input_ids"], 7)
    noisy = replace(text, features={"input_ids": other})
    assert not torch.equal(other, text.features["input_ids"])
    first, second = (fusion(encoder, one, visual, extras) for one in (text, noisy))
    torch.testing.assert_close(first.states[text.mask], second.states[text.mask])
    torch.testing.assert_close(first.emissions.added[text.word_mask], second.emissions.added[text.word_mask])
    torch.testing.assert_close(first.losses["spans"], second.losses["spans"])


@torch.no_grad()
def test_images_move_the_states_and_their_order_does_not():
    fusion, encoder, text, visual, extras = built()
    seen, blind = (fusion(encoder, text, given, extras).states for given in (visual, None))
    assert [bool((seen - blind)[row].abs().max() > 1e-4) for row in range(3)] == [True, True, False]
    order = torch.tensor([2, 0, 1])
    turned = replace(
        visual,
        levels=tuple(level[:, order] for level in visual.levels),
        images=replace(visual.images, mask=visual.mask[:, order], boxes=visual.images.boxes[:, order]),
    )
    torch.testing.assert_close(fusion(encoder, text, turned, extras).states, seen, atol=1e-5, rtol=1e-5)


def test_gradients_are_finite_where_no_image_exists():
    fusion, encoder, text, visual, extras = built()
    fusion(encoder, text, without_images(visual), extras).states.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in fusion.parameters() if parameter.grad is not None)


@torch.no_grad()
def test_trace_has_attention_of_words_and_gate_values():
    fusion, encoder, text, visual, extras = built()
    trace = Trace()
    fusion(encoder, text, visual, extras, trace)
    exists = visual.mask.repeat_interleave(4, dim=1)
    direct, read = trace.attention
    assert torch.equal(trace.cells, torch.arange(12).expand(2, -1))
    for attention in (direct, read):
        assert attention.shape == (3, 2, text.mask.shape[1], 12 + text.mask.shape[1])
        assert not attention[..., :12].permute(0, 3, 1, 2)[~exists].any()
        torch.testing.assert_close(attention[:2, ..., :12].sum(-1), torch.ones(2, 2, text.mask.shape[1]))
        assert torch.equal(attention[2, 0, :, 12:], torch.eye(text.mask.shape[1]))  # the third example has no image
    gate = trace.extra_tensors["visual gate"]
    assert gate.shape == text.mask.shape
    assert ((gate > 0) & (gate < 1)).all()


# -----------------------------------------------------------------------------------------------------------------
# refusals
@pytest.mark.parametrize(
    ("options", "code", "fields"),
    [
        ({"num_attention_heads": 3}, "umt-width-not-divisible", {"width": 16, "heads": 3}),
        ({"num_layers": 0}, "umt-too-few-layers", {"layers": 0}),
        ({"alpha": 1.5}, "umt-alpha-outside", {"alpha": 1.5}),
        ({"beta": -1.0}, "umt-beta-negative", {"beta": -1.0}),
    ],
)
def test_invalid_options_are_refused(options, code, fields):
    with raises(ComponentError, code, **fields):
        built(**options)


# -----------------------------------------------------------------------------------------------------------------
# training
@pytest.mark.parametrize("task", ["mner", "mre"])
def test_it_learns(task, request, tmp_path):
    data = request.getfixturevalue(f"{task}_data")
    recipe = tiny.recipe(tmp_path, data.folder, task, overrides=("fusion={name: umt}", "vision.grid=2"))
    torch.manual_seed(3)
    model = build_model(recipe, REGISTRY, data.labels, data.examples("train")).train()
    batcher = Batcher(model, recipe)
    batch = batcher.collate([batcher.encode(example, labeled=True) for example in list(data.examples("train"))[:6]])
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = model(batch).loss
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]


def test_head_that_tags_wordpieces_is_refused_when_the_recipe_is_read():
    with raises(RecipeError, "recipe-invalid") as refused:
        load_recipe("umt_mner", ["head.labels=wordpieces"], REGISTRY)
    [problem] = refused.value.problems
    assert (problem.location, problem.message.code) == ("--set head.labels=wordpieces", "emissions-of-words")
    assert problem.message.fields == {"fusion": "umt"}
    load_recipe("umt_mner", ["head.labels=words"], REGISTRY)
