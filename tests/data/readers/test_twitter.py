"""The text files of Twitter-2015 and Twitter-2017: every fault is counted with its place."""

from __future__ import annotations

import pytest
from fabricate import kinds, some, write
from raising import raises

from hvpkit.data.readers.twitter import read_tweets
from hvpkit.errors import DataError, did_you_mean
from hvpkit.labels.inventory import tag_labels
from hvpkit.records.bio_repair import repair_bio
from hvpkit.records.issues import IssueLog, ReadingContext

GOOD = "IMGID:1\nAnn\tB-PER\nsings\tO\n\n"


def read(tmp_path, text):
    problems = IssueLog()
    drafts = read_tweets(ReadingContext(write(tmp_path / "train.txt", text), "train", problems))
    return drafts, problems


def only_problem(problems):
    [problem] = problems.issues()
    return problem


def test_tweets_come_in_order_with_their_images(tmp_path):
    drafts, problems = read(tmp_path, GOOD + "IMGID:O_2\nRome\tB-LOC\n.\tO\n")
    assert [(d.example.id, d.example.words, d.example.tags, d.image, d.line) for d in drafts] == [
        ("1", ("Ann", "sings"), ("B-PER", "O"), "1.jpg", 1),
        ("O_2", ("Rome", "."), ("B-LOC", "O"), "O_2.jpg", 5),
    ]
    assert problems.issues() == []


def test_words_that_look_odd_stay_as_they_are(tmp_path):
    words = ("\u2028", "\x85x", "\ufe0f", "IMG", "a b", "☂")
    drafts, _ = read(tmp_path, GOOD + "IMGID:2\n" + "".join(f"{word}\tO\n" for word in words[2:]) + "x\u2028y\tO\n")
    assert drafts[1].example.words == (*words[2:], "x\u2028y")


@pytest.mark.parametrize(
    ("line", "code", "fields"),
    [
        ("Ann B-PER", "line-without-tab", {"text": "Ann B-PER"}),
        ("Ann\tx\tB-PER", "line-with-extra-tabs", {"text": "Ann\tx\tB-PER"}),
        ("Ann\tB-PERS", "unknown-tag", {"tag": "B-PERS", "hint": did_you_mean("B-PERS", tag_labels().names)}),
        ("Ann\t", "unknown-tag", {"tag": ""}),
        ("Ann\tPER", "unknown-tag", {"tag": "PER"}),
        ("Ann\tb-PER", "unknown-tag", {"tag": "b-PER"}),
    ],
)
def test_a_tweet_with_a_bad_line_is_left_out_and_placed(tmp_path, line, code, fields):
    drafts, problems = read(tmp_path, f"IMGID:0\nx\tO\n{line}\ny\tO\n\n" + GOOD)
    assert [draft.example.id for draft in drafts] == ["1"]
    problem = only_problem(problems)
    assert (problem.code, problem.count, problem.skipped, problem.split) == (code, 1, True, "train")
    assert problem.places == [f"{tmp_path / 'train.txt'}:3: {problem.messages[0]}"]
    assert some(problem.messages[0], fields) == fields


def test_illegal_tags_are_repaired_and_counted(tmp_path):
    drafts, problems = read(
        tmp_path, GOOD + "IMGID:2\na\tI-PER\nb\tI-PER\nc\tI-LOC\nd\tO\ne\tI-ORG\nf\tB-LOC\ng\tI-LOC\n"
    )
    assert drafts[1].example.tags == ("B-PER", "I-PER", "B-LOC", "O", "B-ORG", "B-LOC", "I-LOC")
    problem = only_problem(problems)
    assert (problem.code, problem.count, problem.skipped) == ("tag-repaired", 3, False)
    assert problem.places[0] == f"{tmp_path / 'train.txt'}:6: {problem.messages[0]}"
    assert [some(message, ("tag", "word")) for message in problem.messages[:2]] == [
        {"tag": "I-PER", "word": "a"},
        {"tag": "I-LOC", "word": "c"},
    ]
    assert problem.messages[1].fields["previous"] == "I-PER"


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_repaired_tags_are_legal_and_legal_ones_stay(length):
    from itertools import product

    for tags in product(("O", "B-A", "I-A", "B-B", "I-B"), repeat=length):
        legal, changed = repair_bio(tags)
        for i, tag in enumerate(legal):
            assert tag[0] != "I" or (i > 0 and legal[i - 1] in (f"B{tag[1:]}", f"I{tag[1:]}"))
            assert (tag != tags[i]) == (i in changed)
            if i in changed:
                assert (tags[i][0], tag[0], tags[i][1:]) == ("I", "B", tag[1:])
                assert i == 0 or tags[i - 1][1:] != tag[1:]


def test_other_is_misc(tmp_path):
    drafts, problems = read(tmp_path, "IMGID:1\nWorld\tB-OTHER\nCup\tI-OTHER\n")
    assert drafts[0].example.tags == ("B-MISC", "I-MISC")
    assert kinds(problems) == {"other-as-misc": 2}


def test_a_tweet_without_words_is_left_out(tmp_path):
    drafts, problems = read(tmp_path, "IMGID:0\n\n" + GOOD + "IMGID:9\n")
    assert len(drafts) == 1
    assert kinds(problems) == {"tweet-without-words": 2}
    assert only_problem(problems).skipped


def test_blanks_are_removed_and_words_of_blanks_dropped(tmp_path):
    drafts, problems = read(tmp_path, "IMGID:1 \n Ann\tB-PER \n\u00a0\tI-PER\n\tO\nLee\tI-PER\n")
    assert drafts[0].example.words == ("Ann", "Lee")
    assert drafts[0].example.tags == ("B-PER", "I-PER")
    assert kinds(problems) == {"blanks-removed": 1, "blank-token": 2}


def test_faults_of_the_file_do_not_count_those_of_a_last_tweet_that_is_left_out(tmp_path):
    _, problems = read(tmp_path, (GOOD + "IMGID:2\nRome\tB-LOC\n\nx y\n").replace("\n", "\r\n").encode())
    assert kinds(problems) == {"windows-line-ends": 8, "line-without-tab": 1}


def test_windows_line_ends_and_a_byte_order_mark_do_no_harm(tmp_path):
    drafts, problems = read(tmp_path, b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert (drafts[0].example.id, drafts[0].example.words, drafts[0].example.tags) == (
        "1",
        ("Ann", "sings"),
        ("B-PER", "O"),
    )
    assert kinds(problems) == {"byte-order-mark": 1, "windows-line-ends": 4}


def test_an_empty_line_inside_a_tweet_loses_no_words(tmp_path):
    drafts, problems = read(tmp_path, "IMGID:1\n\nAnn\tB-PER\n\nLee\tI-PER\n\n\n")
    assert drafts[0].example.words == ("Ann", "Lee")
    problem = only_problem(problems)
    assert (problem.code, problem.messages[0].fields) == ("empty-line-in-tweet", {"tweet": "1"})
    assert problem.places == [f"{tmp_path / 'train.txt'}:4: {problem.messages[0]}"]


def test_words_before_any_tweet_are_reported(tmp_path):
    drafts, problems = read(tmp_path, "lost\tO\ntoo\tO\n\nanother\tO\n\n" + GOOD)
    assert len(drafts) == 1
    assert kinds(problems) == {"words-before-first-tweet": 2}


@pytest.mark.parametrize(("text", "place"), [("IMGID:2\nx\tO\nüb\u00e9\tO\n", 7), ("IMGID:2\u00e9\nx\tO\n", 5)])
def test_a_tweet_that_is_not_utf8_is_left_out_with_line_and_byte(tmp_path, text, place):
    drafts, problems = read(
        tmp_path, GOOD.encode() + text.encode().replace("\u00e9".encode(), b"\xe9") + b"\nIMGID:3\ny\tO\n"
    )
    assert len(drafts) == 2
    problem = only_problem(problems)
    assert (problem.code, problem.messages[0].fields) == ("line-not-utf8", {"byte": 8 if place == 5 else 4})
    assert problem.places == [f"{tmp_path / 'train.txt'}:{place}: {problem.messages[0]}"]


def test_bytes_are_counted_as_an_editor_does(tmp_path):
    with raises(DataError, "nothing-usable") as caught:
        read(tmp_path, b"IMGID:2\n" + "üb".encode() + b"\xe9\tO\n")
    [problem] = caught.value.problems
    assert (problem.location, problem.message.code) == (f"{tmp_path / 'train.txt'}:2", "line-not-utf8")
    assert problem.message.fields == {"byte": 4}


def test_utf16_is_refused(tmp_path):
    with raises(DataError, "not-utf8", file=tmp_path / "train.txt"):
        read(tmp_path, GOOD.encode("utf-16"))


@pytest.mark.parametrize("text", ["", "\n \n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(tmp_path, text):
    with raises(DataError, "split-file-empty", file=tmp_path / "train.txt", split="train"):
        read(tmp_path, text)


def test_a_file_with_nothing_usable_is_refused_with_its_first_faults(tmp_path):
    file = tmp_path / "train.txt"
    with raises(DataError, "nothing-usable", file=file) as caught:
        read(tmp_path, "".join(f"IMGID:{tag}\na\t{tag}\n\n" for tag in "XYZUV"))
    assert [
        (problem.location, problem.message.code, problem.message.fields["tag"]) for problem in caught.value.problems
    ] == [
        (f"{file}:2", "unknown-tag", "X"),
        (f"{file}:5", "unknown-tag", "Y"),
        (f"{file}:8", "unknown-tag", "Z"),
    ]


def test_an_id_used_twice_is_made_unique(tmp_path):
    drafts, problems = read(tmp_path, GOOD + GOOD + "IMGID:1#2\nx\tO\n\n" + GOOD)
    assert [draft.example.id for draft in drafts] == ["1", "1#2", "1#2#2", "1#3"]
    assert {draft.image for draft in drafts} == {"1.jpg", "1#2.jpg"}
    assert kinds(problems) == {"id-repeated": 3}


@pytest.mark.parametrize(("rest", "reason"), [("Rome\tB-L", "unknown-tag"), ("Ro", "line-without-tab")])
def test_a_last_line_cut_short_is_called_that(tmp_path, rest, reason):
    drafts, problems = read(tmp_path, GOOD + f"IMGID:2\nin\tO\n{rest}")
    assert len(drafts) == 1
    assert kinds(problems) == {"file-truncated": 1}
    [message] = only_problem(problems).messages
    assert message.fields["reason"].code == reason
    assert only_problem(problems).places == [f"{tmp_path / 'train.txt'}:7: {message}"]


def test_a_sound_last_line_needs_no_end(tmp_path):
    drafts, problems = read(tmp_path, GOOD + "IMGID:2\nRome\tB-LOC")
    assert len(drafts) == 2
    assert problems.issues() == []


def test_faults_of_a_tweet_that_is_left_out_anyway_are_not_counted(tmp_path):
    _, problems = read(tmp_path, "IMGID:0\n x \tB-OTHER\nbad\n\n" + GOOD)
    assert kinds(problems) == {"line-without-tab": 1}


def test_many_faults_keep_their_first_places_only(tmp_path):
    _, problems = read(tmp_path, GOOD + "IMGID:2\n" + "".join(f"w{i}\tB-OTHER\n" for i in range(9)))
    problem = only_problem(problems)
    assert problem.count == 9
    assert [message.fields["word"] for message in problem.messages] == ["w0", "w1", "w2"]
    assert len(problem.places) == 3
