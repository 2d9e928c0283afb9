"""Entity tags, their comparison, and what a precondition lets pass."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alveary.errors import ENTITY_ETAG_MISMATCH, ETAG_MISMATCH, Refusal
from alveary.wire.etags import ETag, Precondition
from alveary.wire.http_dates import http_date, parse_http_date

NUMBERS = st.integers(0, 10**18 - 1)
ETAGS = st.builds(ETag, NUMBERS, NUMBERS, st.booleans())
CURRENT = ETag(3, 784111777500)


def passes(condition: Precondition, current: ETag | None) -> bool:
    try:
        condition.check(current)
    except Refusal as refusal:
        assert refusal.kind is ETAG_MISMATCH
        return False
    return True


@given(ETAGS)
def test_a_tag_reads_back_as_it_was_written(etag: ETag) -> None:
    assert ETag.parse(str(etag)) == etag


@given(st.text())
def test_no_text_breaks_the_parsers(text: str) -> None:
    ETag.parse(text)
    parse_http_date(text)
    passes(Precondition.parse(text, text, text), CURRENT)


@example(ETag(3, 1), ETag(3, 1, weak=True))
@example(ETag(3, 1, weak=True), ETag(3, 1))
@example(ETag(3, 1), ETag(3, 1))
@given(ETAGS, ETAGS)
def test_if_match_and_if_none_match_are_opposites_but_for_a_weak_tag_without_its_mark(
    wanted: ETag, current: ETag
) -> None:
    same = wanted.opaque == current.opaque
    unmarked = current.weak and not wanted.weak
    assert passes(Precondition.parse(str(wanted)), current) is (same and not unmarked)
    assert passes(Precondition.parse(None, str(wanted)), current) is not same


@pytest.mark.parametrize(
    "raw",
    [
        '"3-784111777500"',
        'W/"3-784111777500"',
        ' "1-1", "3-784111777500"',
        '"a,b",W/"3-784111777500"',
        ', "3-784111777500"\t,,',
    ],
)
def test_if_match_takes_lists_and_weak_spellings(raw: str) -> None:
    assert passes(Precondition.parse(raw), CURRENT)
    assert not passes(Precondition.parse(None, raw), CURRENT)


@pytest.mark.parametrize("raw", ['"3-1"', "3-784111777500", "", '"*"', "garbage", '"3-784111777500'])
def test_if_match_that_names_something_else_is_a_mismatch(raw: str) -> None:
    assert not passes(Precondition.parse(raw), CURRENT)


@pytest.mark.parametrize(
    "raw",
    [
        '"3-784111777500"x',
        'x"3-784111777500"',
        'xW/"3-784111777500"',
        'w/"3-784111777500"',
        'W/ "3-784111777500"',
        '"3-784111777500";q=1',
        '"3-784111777500" "1-1"',
        '"1-1""3-784111777500"',
        '"1-1"; "3-784111777500"',
        '"1-1", x, "3-784111777500"',
        '*, "3-784111777500"',
        '"3-784111777500", *',
        '""3-784111777500"',
        '"3-784111777500", "',
        "**",
    ],
)
def test_what_is_no_list_of_tags_is_a_mismatch_for_if_match_and_if_none_match(raw: str) -> None:
    for current in (CURRENT, ETag(3, 784111777500, weak=True), ETag(1, 1), None):
        assert not passes(Precondition.parse(raw), current)
        assert not passes(Precondition.parse(None, raw), current)


@pytest.mark.parametrize("start", ["", '"a"', '"a",', '"'])
@pytest.mark.parametrize("part", [" ", ",", " ,", '"', '"" ', '"",', 'W/"",', "W/"])
def test_no_length_of_rubbish_takes_forever(start: str, part: str) -> None:
    assert not passes(Precondition.parse(start + part * 300_000 + "x"), CURRENT)


def test_if_match_star_or_none_creates_or_replaces() -> None:
    for condition in (Precondition.parse("*"), Precondition.parse(None)):
        assert passes(condition, CURRENT)
        assert passes(condition, None)


def test_a_concrete_if_match_on_something_missing_is_a_mismatch() -> None:
    assert not passes(Precondition.parse(str(CURRENT)), None)


def test_if_none_match_star_only_creates() -> None:
    assert passes(Precondition.parse(None, "*"), None)
    assert not passes(Precondition.parse(None, "*"), CURRENT)


def test_if_unmodified_since_counts_whole_seconds_and_only_without_if_match() -> None:
    date = "Sun, 06 Nov 1994 08:49:37 GMT"
    assert passes(Precondition.parse(None, None, date), CURRENT)
    assert not passes(Precondition.parse(None, None, date), ETag(3, 784111778000))
    assert passes(Precondition.parse('"3-784111778000"', None, date), ETag(3, 784111778000))


def test_the_kind_of_a_mismatch_can_be_the_callers() -> None:
    with pytest.raises(Refusal) as caught:
        Precondition.parse('W/"1-1"').check(CURRENT, ENTITY_ETAG_MISMATCH)
    assert caught.value.kind is ENTITY_ETAG_MISMATCH


@given(st.integers(0, 253402300799))
def test_a_date_reads_back_to_the_second(moment_s: int) -> None:
    assert parse_http_date(http_date(moment_s * 1000 + 999)) == moment_s * 1000


@pytest.mark.parametrize(
    "text",
    ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"],
)
def test_all_three_forms_of_a_date_are_read(text: str) -> None:
    assert parse_http_date(text) == 784111777000
