from __future__ import annotations

from typing import Any, Literal

import pytest

from hvpkit.composition import check_composition
from hvpkit.errors import ComponentError, RecipeError
from hvpkit.recipe import Recipe, load_recipe
from hvpkit.registry import Component, Registry


def bert(context, *, name: str, cased: bool = False) -> None:
    """Take a prefix."""


def lstm(
    context, *, width: int = 8, depth: int | None = None, rate: float = 0.1, cell: Literal["gru", "lstm"] = "gru", other: Any = 0
) -> None:
    """Take none."""


def bare(context) -> None:
    """Have no options."""


def net(context, *, weights: str = "imagenet", elsewhere: "NotThere | None" = None) -> None:  # noqa: F821, UP037
    """See."""


def prefix(context, *, projector: object, gate: object = None) -> None:
    """Fuse."""


@pytest.fixture
def registry() -> Registry:
    registry = Registry()

    def add(kind: str, name: str, factory: Any, needs: str = "", provides: str = "", tasks: tuple[str, ...] = ("mner", "mre")) -> None:
        registry.add(Component(kind, name, factory, "test", frozenset(needs.split()), frozenset(provides.split()), tasks))

    add("text encoder", "hugging-face", bert, provides="states pooled prefix")
    add("text encoder", "lstm", lstm, provides="states")
    add("visual backbone", "resnet50", net)
    add("projector", "stages", bare)
    add("gate", "dynamic", bare)
    add("gate", "flat", bare)
    add("fusion", "none", bare)
    add("fusion", "visual-prefix", prefix, needs="prefix pictures")
    add("fusion", "pooling", bare, needs="pictures pooled", provides="pooled")
    add("head", "crf", bare, needs="states", tasks=("mner",))
    add("head", "cls", bare, needs="pooled", tasks=("mre",))
    add("head", "entity-start", bare, needs="states", tasks=("mre",))
    add("reader", "mnre", bare, tasks=("mre",))
    add("reader", "twitter2017", bare, tasks=("mner",))
    return registry


def recipe(**changes: Any) -> Recipe:
    values: dict[str, Any] = {
        "task": "mner",
        "data": {"name": "twitter2017"},
        "text": {"name": "bert"},
        "vision": {"backbone": "resnet50"},
        "fusion": {"name": "visual-prefix", "projector": "stages", "gate": "dynamic"},
        "head": "crf",
    }
    return Recipe.model_validate(values | changes)


def problems(registry: Registry, **changes: Any) -> list[str]:
    with pytest.raises(ComponentError) as caught:
        check_composition(recipe(**changes), registry)
    return [line.removeprefix("recipe: ") for line in str(caught.value).splitlines()]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"vision": None, "fusion": "none"},
        {"vision": None, "fusion": "none", "text": {"encoder": "lstm"}},
        {"fusion": {"name": "visual-prefix", "projector": "stages"}},
        {"task": "mre", "data": {"name": "mnre"}, "head": "cls"},
        {"task": "mre", "data": {"name": "mine"}, "head": "cls", "fusion": "pooling"},
        {"vision": None, "fusion": "none", "text": {"encoder": "lstm", "width": 5, "depth": None, "rate": 1, "cell": "lstm", "other": [1]}},
        {"vision": {"backbone": "resnet50", "elsewhere": object()}},
    ],
)
def test_what_composes_is_let_through(registry, changes):
    check_composition(recipe(**changes), registry)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"text": {"name": "b", "encoder": "hugging"}}, "unknown text encoder 'hugging'; did you mean hugging-face?"),
        ({"vision": {"backbone": "resnet5"}}, "unknown visual backbone 'resnet5'; did you mean resnet50?"),
        ({"fusion": {"name": "visual-prefix", "projector": "stage"}}, "unknown projector 'stage'; did you mean stages?"),
        ({"fusion": {"name": "visual-prefix", "projector": "stages", "gate": "x"}}, "unknown gate 'x'; available: dynamic, flat"),
        ({"fusion": "prefix"}, "unknown fusion 'prefix'; did you mean visual-prefix?"),
        ({"head": "crff"}, "unknown head 'crff'; did you mean crf?"),
        ({"head": "entity-start"}, "head 'entity-start' is for mre, not mner; a head that fits: crf"),
        ({"data": {"name": "mnre"}}, "data 'mnre' is for mre, not mner; a dataset that fits: twitter2017"),
        ({"text": {"name": "b", "case": True}}, "text encoder 'hugging-face' has no option 'case'; did you mean cased?"),
        ({"text": {"name": "b", "cased": 1}}, "option cased of text encoder 'hugging-face' must be true or false, not 1"),
        ({"text": {}}, "text encoder 'hugging-face' needs the option name"),
        ({"head": {"name": "crf", "x": 1}}, "head 'crf' has no option 'x': it has none at all"),
        (
            {"fusion": {"name": "visual-prefix", "gate": "flat"}},
            "fusion 'visual-prefix' needs the option projector; a projector that fits: stages",
        ),
        (
            {"text": {"encoder": "lstm"}},
            "fusion 'visual-prefix' needs prefix, which text encoder 'lstm' does not give; a text encoder that fits: hugging-face",
        ),
        ({"vision": None}, "fusion 'visual-prefix' needs pictures: add a vision section, or take a fusion of text alone (none)"),
        (
            {"fusion": "none"},
            "fusion 'none' makes no use of pictures: leave vision out, or take one that does (pooling, visual-prefix)",
        ),
        (
            {"vision": None, "fusion": {"name": "none", "gate": "flat"}},
            "fusion 'none' has no gate: leave it out, or take a fusion that has one (visual-prefix)",
        ),
        ({"fusion": "pooling"}, "head 'crf' needs states, but fusion 'pooling' gives pooled; a fusion that fits: none, visual-prefix"),
        (
            {"task": "mre", "data": {"name": "mnre"}, "head": "entity-start", "fusion": "pooling"},
            "head 'entity-start' needs states, but fusion 'pooling' gives pooled; a head that fits: cls",
        ),
        (
            {"task": "mre", "data": {"name": "mnre"}, "head": "cls", "vision": None, "fusion": "none", "text": {"encoder": "lstm"}},
            "head 'cls' needs pooled, but text encoder 'lstm' gives states; a head that fits: entity-start",
        ),
    ],
)
def test_what_does_not_compose_is_refused_in_one_sentence_that_says_what_would_fit(registry, changes, sentence):
    assert problems(registry, **changes) == [sentence]


@pytest.mark.parametrize(
    ("option", "value", "wanted"),
    [
        ("width", "8", "a whole number"),
        ("width", True, "a whole number"),
        ("width", 1.5, "a whole number"),
        ("depth", "x", "a whole number or null"),
        ("rate", "x", "a number"),
        ("rate", float("nan"), "a number"),
        ("cell", "rnn", "gru or lstm"),
    ],
)
def test_options_of_a_plain_type_must_have_it(registry, option, value, wanted):
    (problem,) = problems(registry, vision=None, fusion="none", text={"encoder": "lstm", option: value})
    assert problem == f"option {option} of text encoder 'lstm' must be {wanted}, not {value!r}"


def test_all_problems_come_at_once(registry):
    found = problems(
        registry, head={"name": "cls", "x": 1}, text={"encoder": "lstm", "y": 1}, fusion={"name": "visual-prefix", "projector": "z"}
    )
    assert len(found) == 6


def test_components_and_settings_are_checked_in_one_go(registry, tmp_path):
    file = tmp_path / "r.yaml"
    file.write_text(
        "task: mner\ndata: {name: d}\ntext: {name: b}\nvision: {backbone: resnet}\nfusion: {name: visual-prefix, projector: stages}\n"
        "head: crff\ntrain: {epoch: 1}\n"
    )
    with pytest.raises(RecipeError) as caught:
        load_recipe(file, ["fusion.gate=dynamik", "train.lr=x"], registry)
    assert str(caught.value).splitlines() == [
        "--set train.lr=x: train.lr must be a valid number, not 'x'",
        f"{file}:7: unknown key train.epoch; did you mean epochs?",
        f"{file}:4: unknown visual backbone 'resnet'; did you mean resnet50?",
        "--set fusion.gate=dynamik: unknown gate 'dynamik'; did you mean dynamic?",
        f"{file}:6: unknown head 'crff'; did you mean crf?",
    ]


def test_a_faulty_section_does_not_bring_false_alarms(registry, tmp_path):
    file = tmp_path / "r.yaml"
    file.write_text(
        "task: mner\ndata: {name: d}\ntext: {name: 5}\nvision: 5\nfusion: {name: visual-prefix, projector: stages}\nhead: crf\n"
    )
    with pytest.raises(RecipeError) as caught:
        load_recipe(file, registry=registry)
    assert [line.partition(" ")[0] for line in str(caught.value).splitlines()] == [f"{file}:3:", f"{file}:4:"]
