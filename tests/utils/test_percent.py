from __future__ import annotations

from hvpkit.utils.percent import format_difference, format_score, percent


def test_percent_has_one_decimal_and_a_unit():
    assert [percent(value) for value in (0, 0.98765, 1)] == ["0.0%", "98.8%", "100.0%"]


def test_scores_have_two_decimals_and_differences_a_sign():
    assert [format_score(value) for value in (0.85321, 1)] == ["85.32", "100.00"]
    assert [format_difference(value) for value in (0.0075, -0.0116, 0)] == ["+0.75", "-1.16", "+0.00"]
