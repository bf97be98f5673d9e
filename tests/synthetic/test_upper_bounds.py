from itertools import product
from random import Random

import pytest

from hvpkit.labels.gold import gold_labels
from hvpkit.synthetic.lexicon import load_lexicon
from hvpkit.synthetic.scenarios import SyntheticSettings
from hvpkit.synthetic.tweets import TweetStream
from hvpkit.synthetic.upper_bounds import optimal_f1, upper_bound, upper_bounds
from hvpkit.types import Example, Span


def micro_f1(gold, predicted, nothing=None):
    wins = sum(g == s != nothing for g, s in zip(gold, predicted, strict=True))
    counted = sum(g != nothing for g in gold) + sum(s != nothing for s in predicted)
    return 2 * wins / counted if counted else 0.0


def brute_force(questions, nothing):
    """Try every rule from evidence to answer; None is silence."""
    evidences = sorted({evidence for evidence, _ in questions})
    options = sorted({answer for _, answer in questions} - {nothing}) + [nothing]
    rules = (dict(zip(evidences, rule, strict=True)) for rule in product(options, repeat=len(evidences)))
    return max(
        micro_f1([answer for _, answer in questions], [rule[e] for e, _ in questions], nothing) for rule in rules
    )


def examples(tmp_path, task, **settings):
    return [tweet.example for tweet in TweetStream(SyntheticSettings(task, 400, **settings), "test", tmp_path).tweets]


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("nothing", [None, "none"])
def test_the_best_f1_is_that_of_the_best_of_all_rules(seed, nothing):
    rng = Random(seed)
    answers = ["a", "b", "c"] + ([nothing] if nothing else [])
    questions = [(rng.randint(0, 4), rng.choice(answers)) for _ in range(rng.randint(1, 12))]
    assert optimal_f1(questions, nothing) == pytest.approx(brute_force(questions, nothing))


def test_silence_on_what_is_too_uncertain_beats_a_guess():
    questions = [("sure", "a")] * 8 + [(f"open {i}", answer) for i in range(2) for answer in "abcd"]
    assert optimal_f1(questions) == pytest.approx(2 * 8 / (8 + 16))
    assert optimal_f1(questions) > (8 + 2) / 16


def test_nothing_to_find_gives_zero():
    assert optimal_f1([("x", "None")], "None") == 0.0
    assert optimal_f1([]) == 0.0


def test_labels_of_an_example_are_its_entities_or_its_relation():
    tagged = Example("1", ("a", "b", "c", "d"), tags=("B-PER", "I-PER", "B-LOC", "O"))
    assert gold_labels(tagged) == [((Span(0, 2),), "PER"), ((Span(2, 3),), "LOC")]
    assert gold_labels(Example("2", ("a",), tags=("B-ORG",))) == [((Span(0, 1),), "ORG")]
    assert gold_labels(Example("2", ("a",), tags=("I-ORG",))) == [((Span(0, 1),), "ORG")]  # as scored
    pair = Example("3", ("a", "b"), head=Span(0, 1), tail=Span(1, 2), relation="None")
    assert gold_labels(pair) == [((Span(0, 1), Span(1, 2)), "None")]


# ---------------------------------------------------------------------------------------------------- of generated
# examples
def left_open(example, spans):
    """Return the answers that the sentence leaves open for a name or a pair, derived from the words alone.

    None where it is settled.
    """
    if len(spans) == 2:
        return ["None"] if example.metadata["ambiguous"] == "yes" else []
    for pair, templates in load_lexicon().ambiguous.items():
        for left, right in (template.split("{}") for template in templates):
            before, after = left.split(), right.split()
            here = example.words[max(0, spans[0].start - len(before)) : spans[0].end + len(after)]
            if list(here) == [*before, *example.words[spans[0].start : spans[0].end], *after]:
                return pair
    return []


def oracle(example, image):
    """Answer as well as can be: what is open by the image if it shows it.

    Else by the first answer that the sentence admits.
    """
    shown = image and example.metadata["informative"] == "yes"
    asked = [(left_open(example, spans), answer) for spans, answer in gold_labels(example)]
    return [answer if shown or not admitted else admitted[0] for admitted, answer in asked]


@pytest.mark.parametrize("task", ["mner", "mre"])
@pytest.mark.parametrize("image", [False, True])
def test_generator_knowledge_reaches_the_upper_bound(tmp_path, task, image):
    made = examples(tmp_path, task)
    gold = [answer for example in made for _, answer in gold_labels(example)]
    predicted = [answer for example in made for answer in oracle(example, image)]
    best = upper_bound(made)
    assert micro_f1(gold, predicted, "None") == pytest.approx(best.image if image else best.text, abs=1e-6)


@pytest.mark.parametrize("task", ["mner", "mre"])
def test_no_rule_from_text_exceeds_the_text_upper_bound(tmp_path, task):
    made = examples(tmp_path, task)
    gold = [answer for example in made for _, answer in gold_labels(example)]
    best = upper_bound(made).text
    for seed in range(
        30
    ):  # what is settled is right, what is open is any fixed function of the sentence, at times silence
        options = sorted(set(gold)) + ["None"] * (seed % 2)
        predicted = []
        for example in made:
            guess = Random(f"{seed} {example.words}").choice(options)
            predicted += [guess if left_open(example, spans) else answer for spans, answer in gold_labels(example)]
        assert micro_f1(gold, predicted, "None") <= best + 1e-6


def test_bag_of_words_does_not_exceed_the_upper_bound_on_ambiguous_names(tmp_path):
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    settings = SyntheticSettings("mner", 800)
    train, test = (
        [t.example for t in TweetStream(settings, split, tmp_path).tweets if t.example.metadata["ambiguous"] == "yes"]
        for split in ("train", "test")
    )
    model = make_pipeline(CountVectorizer(), LogisticRegression(max_iter=500))
    model.fit([" ".join(example.words) for example in train], [example.metadata["type"] for example in train])
    predicted = model.predict([" ".join(example.words) for example in test])
    right = sum(a == example.metadata["type"] for a, example in zip(predicted, test, strict=True))
    assert 0.3 < right / len(test) <= 0.5


def test_upper_bounds_follow_the_fractions(tmp_path):
    settled = upper_bound(examples(tmp_path, "mner", ambiguous=0.0))
    assert (settled.text, settled.image) == (1.0, 1.0)
    clear = upper_bound(examples(tmp_path, "mner", uninformative=0.0))
    assert clear.text < clear.image == 1.0
    mute = upper_bound(examples(tmp_path, "mner", test_uninformative=1.0))
    assert mute.text == mute.image == clear.text
    all_open = upper_bound(examples(tmp_path, "mner", ambiguous=1.0, uninformative=0.0))
    assert (all_open.text, all_open.image) == (0.5, 1.0)


@pytest.mark.parametrize("task", ["mner", "mre"])
def test_upper_bounds_cover_all_groups_and_clues(tmp_path, task):
    made = upper_bounds(examples(tmp_path, task))
    assert set(made) == {"all", "ambiguous", "unambiguous", "none", "scene", "shape", "small", "texture"}
    assert made["unambiguous"]["text"] == 1.0
    for clue in ("scene", "shape", "small", "texture"):
        assert made[clue]["text"] < made[clue]["image"] == 1.0
    assert made["none"]["text"] == made["none"]["image"] < 1.0
    assert made["all"]["examples"] == sum(made[part]["examples"] for part in ("ambiguous", "unambiguous"))


def test_text_upper_bound_is_all_clear_and_half_of_the_ambiguous_names(tmp_path):
    made = examples(tmp_path, "mner")
    names = sum(len(gold_labels(example)) for example in made)
    unsettled = sum(example.metadata["ambiguous"] == "yes" for example in made)
    assert upper_bound(made).text == pytest.approx((names - unsettled / 2) / names, abs=1e-6)
    assert {type_ for pair in load_lexicon().ambiguous for type_ in pair} == set(load_lexicon().entity_types)
