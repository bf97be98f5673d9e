from __future__ import annotations

from typing import Any, Literal

import pytest
from raising import raises

from hvpkit.config.compatibility import check_compatibility
from hvpkit.config.loading import load_recipe
from hvpkit.config.recipe import Recipe
from hvpkit.errors import ComponentError, RecipeError, did_you_mean
from hvpkit.messages import Message
from hvpkit.registry import Component, Registry


def bert(context, *, name: str, cased: bool = False) -> None:
    """Take a prefix."""


def lstm(
    context,
    *,
    width: int = 8,
    depth: int | None = None,
    rate: float = 0.1,
    cell: Literal["gru", "lstm"] = "gru",
    other: Any = 0,
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

    def add(
        kind: str,
        name: str,
        factory: Any,
        needs: str = "",
        provides: str = "",
        tasks: tuple[str, ...] = ("mner", "mre"),
    ) -> None:
        registry.add(
            Component(kind, name, factory, "test", frozenset(needs.split()), frozenset(provides.split()), tasks)
        )

    add("text encoder", "hugging-face", bert, provides="states pooled prefix")
    add("text encoder", "lstm", lstm, provides="states")
    add("visual backbone", "resnet50", net)
    add("projector", "per-level", bare)
    add("gate", "dynamic", bare)
    add("gate", "flat", bare)
    add("fusion", "none", bare)
    add("fusion", "visual-prefix", prefix, needs="prefix images")
    add("fusion", "pooling", bare, needs="images pooled", provides="pooled")
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
        "fusion": {"name": "visual-prefix", "projector": "per-level", "gate": "dynamic"},
        "head": "crf",
    }
    return Recipe.model_validate(values | changes)


def problems(registry: Registry, **changes: Any) -> list[Message]:
    with raises(ComponentError, "components-do-not-fit") as caught:
        check_compatibility(recipe(**changes), registry)
    assert {problem.location for problem in caught.value.problems} == {"recipe"}
    return [problem.message for problem in caught.value.problems]


def unknown(kind: str, name: str, *known: str) -> Message:
    return Message("unknown-component", kind=kind, name=name, hint=did_you_mean(name, known))


def wrong_task(kind: str, name: str, dataset: str, fits: str) -> Message:
    hint = Message("fitting-components", kind=dataset, names=[fits])
    return Message("wrong-task", kind=kind, name=name, tasks=["mre"], task="mner", hint=hint)


def head_needs(head: str, need: str, kind: str, name: str, gives: str, *, fitting: str, names: list[str]) -> Message:
    hint = Message("fitting-components", kind=fitting, names=names)
    return Message("head-needs", head=head, need=need, kind=kind, name=name, found=[gives], hint=hint)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"vision": None, "fusion": "none"},
        {"vision": None, "fusion": "none", "text": {"encoder": "lstm"}},
        {"fusion": {"name": "visual-prefix", "projector": "per-level"}},
        {"task": "mre", "data": {"name": "mnre"}, "head": "cls"},
        {"task": "mre", "data": {"name": "mine"}, "head": "cls", "fusion": "pooling"},
        {
            "vision": None,
            "fusion": "none",
            "text": {"encoder": "lstm", "width": 5, "depth": None, "rate": 1, "cell": "lstm", "other": [1]},
        },
        {"vision": {"backbone": "resnet50", "elsewhere": object()}},
    ],
)
def test_what_composes_is_let_through(registry, changes):
    check_compatibility(recipe(**changes), registry)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": {"name": "b", "encoder": "hugging"}}, unknown("text encoder", "hugging", "hugging-face")),
        ({"vision": {"backbone": "resnet5"}}, unknown("visual backbone", "resnet5", "resnet50")),
        ({"fusion": {"name": "visual-prefix", "projector": "per-levl"}}, unknown("projector", "per-levl", "per-level")),
        (
            {"fusion": {"name": "visual-prefix", "projector": "per-level", "gate": "x"}},
            unknown("gate", "x", "dynamic", "flat"),
        ),
        ({"fusion": "prefix"}, unknown("fusion", "prefix", "visual-prefix")),
        ({"head": "crff"}, unknown("head", "crff", "crf")),
        ({"head": "entity-start"}, wrong_task("head", "entity-start", "head", "crf")),
        ({"data": {"name": "mnre"}}, wrong_task("data", "mnre", "dataset", "twitter2017")),
        (
            {"text": {"name": "b", "case": True}},
            Message(
                "unknown-option",
                kind="text encoder",
                name="hugging-face",
                option="case",
                hint=did_you_mean("case", ["cased"]),
            ),
        ),
        (
            {"text": {"name": "b", "cased": 1}},
            Message(
                "option-wrong-type",
                option="cased",
                kind="text encoder",
                name="hugging-face",
                expected="true or false",
                found=1,
            ),
        ),
        ({"text": {}}, Message("missing-option", kind="text encoder", name="hugging-face", option="name", hint="")),
        (
            {"head": {"name": "crf", "x": 1}},
            Message("unknown-option", kind="head", name="crf", option="x", hint=": it has none at all"),
        ),
        (
            {"fusion": {"name": "visual-prefix", "gate": "flat"}},
            Message(
                "missing-option",
                kind="fusion",
                name="visual-prefix",
                option="projector",
                hint=Message("fitting-components", kind="projector", names=["per-level"]),
            ),
        ),
        (
            {"text": {"encoder": "lstm"}},
            Message(
                "fusion-needs",
                fusion="visual-prefix",
                need="prefix",
                encoder="lstm",
                hint=Message("fitting-components", kind="text encoder", names=["hugging-face"]),
            ),
        ),
        ({"vision": None}, Message("fusion-needs-vision", fusion="visual-prefix", names=["none"])),
        ({"fusion": "none"}, Message("vision-unused", fusion="none", names=["pooling", "visual-prefix"])),
        (
            {"vision": None, "fusion": {"name": "none", "gate": "flat"}},
            Message("fusion-lacks-part", fusion="none", option="gate", names=["visual-prefix"]),
        ),
        (
            {"fusion": "pooling"},
            head_needs(
                "crf", "states", "fusion", "pooling", "pooled", fitting="fusion", names=["none", "visual-prefix"]
            ),
        ),
        (
            {"task": "mre", "data": {"name": "mnre"}, "head": "entity-start", "fusion": "pooling"},
            head_needs("entity-start", "states", "fusion", "pooling", "pooled", fitting="head", names=["cls"]),
        ),
        (
            {
                "task": "mre",
                "data": {"name": "mnre"},
                "head": "cls",
                "vision": None,
                "fusion": "none",
                "text": {"encoder": "lstm"},
            },
            head_needs("cls", "pooled", "text encoder", "lstm", "states", fitting="head", names=["entity-start"]),
        ),
    ],
)
def test_incompatible_components_are_refused_with_alternatives(registry, changes, message):
    (found,) = problems(registry, **changes)
    assert (found.code, found.fields) == (message.code, message.fields)


def test_component_without_compatible_partner_is_reported(registry):
    registry.add(Component("fusion", "regions", bare, "test", frozenset({"images", "regions"}), frozenset({"states"})))
    (found,) = problems(registry, fusion="regions")
    assert (found.code, found.fields["need"], found.fields["hint"].code) == ("fusion-needs", "regions", "nothing-fits")
    assert found.fields["hint"].fields == {"kind": "text encoder"}


def test_a_backbone_must_take_weights(registry):
    registry.add(Component("visual backbone", "bare", bare, "test"))
    (found,) = problems(registry, vision={"backbone": "bare"})
    assert (found.code, found.fields) == ("no-weights-option", {"name": "bare"})


@pytest.mark.parametrize(
    ("option", "value", "code", "expected"),
    [
        ("width", "8", "option-wrong-type", "a whole number"),
        ("width", True, "option-wrong-type", "a whole number"),
        ("width", 1.5, "option-wrong-type", "a whole number"),
        ("depth", "x", "option-wrong-type", "a whole number or null"),
        ("rate", "x", "option-wrong-type", "a number"),
        ("rate", float("nan"), "option-wrong-type", "a number"),
        ("cell", "rnn", "option-unknown-choice", "gru or lstm"),
    ],
)
def test_options_of_a_plain_type_must_have_it(registry, option, value, code, expected):
    (problem,) = problems(registry, vision=None, fusion="none", text={"encoder": "lstm", option: value})
    assert problem.code == code
    assert problem.fields == {
        "option": option,
        "kind": "text encoder",
        "name": "lstm",
        "expected": expected,
        "found": value,
    }


def test_all_problems_come_at_once(registry):
    found = problems(
        registry,
        head={"name": "cls", "x": 1},
        text={"encoder": "lstm", "y": 1},
        fusion={"name": "visual-prefix", "projector": "z"},
    )
    assert sorted(message.code for message in found) == sorted(
        ["wrong-task", "unknown-option", "unknown-option", "unknown-component", "fusion-needs", "head-needs"]
    )


def test_problems_of_components_and_settings_are_reported_together(registry, tmp_path):
    file = tmp_path / "r.yaml"
    file.write_text(
        "task: mner\ndata: {name: d}\ntext: {name: b}\nvision: {backbone: resnet}\nfusion: {name: visual-prefix, projector: per-level}\n"  # noqa: E501
        "head: crff\ntrain: {epoch: 1}\n"
    )
    with raises(RecipeError, "recipe-invalid") as caught:
        load_recipe(file, ["fusion.gate=dynamik", "train.lr=x"], registry)
    assert [(problem.location, problem.message.code, problem.message.fields) for problem in caught.value.problems] == [
        ("--set train.lr=x", "wrong-type", {"key": "train.lr", "expected": "a valid number", "found": "'x'"}),
        (f"{file}:7", "unknown-key", {"key": "train.epoch", "hint": did_you_mean("epoch", ["epochs"])}),
        (f"{file}:4", "unknown-component", unknown("visual backbone", "resnet", "resnet50").fields),
        ("--set fusion.gate=dynamik", "unknown-component", unknown("gate", "dynamik", "dynamic").fields),
        (f"{file}:6", "unknown-component", unknown("head", "crff", "crf").fields),
    ]
    assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]


def test_a_faulty_section_does_not_bring_false_alarms(registry, tmp_path):
    file = tmp_path / "r.yaml"
    file.write_text(
        "task: mner\ndata: {name: d}\ntext: {name: 5}\nvision: 5\nfusion: {name: visual-prefix, projector: per-level}\nhead: crf\n"  # noqa: E501
    )
    with raises(RecipeError, "recipe-invalid") as caught:
        load_recipe(file, registry=registry)
    assert [(problem.location, problem.message.code) for problem in caught.value.problems] == [
        (f"{file}:3", "text-like-number"),
        (f"{file}:4", "wrong-type"),
    ]
