"""Which conditional headers count for which kind of request."""

from __future__ import annotations

import pytest

from alveary.errors import ETAG_MISMATCH, Refusal
from alveary.http.conditional import change_condition, is_unchanged, read_condition
from alveary.wire.etags import ETag

CURRENT = ETag(2, 784111777500)
OTHER = '"1-1"'
BEFORE = "Sat, 05 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize("headers", [{"if-match": OTHER}, {"if-none-match": "*"}, {"if-unmodified-since": BEFORE}])
def test_a_change_heeds_every_condition(headers: dict[str, str]) -> None:
    with pytest.raises(Refusal) as caught:
        change_condition(headers).check(CURRENT)
    assert caught.value.kind is ETAG_MISMATCH


def test_a_change_without_conditions_goes_through() -> None:
    for current in (CURRENT, None):
        change_condition({"if-modified-since": BEFORE, "if-range": OTHER}).check(current)


def test_a_reader_is_not_refused_for_having_it_already() -> None:
    read_condition({"if-none-match": "*"}).check(CURRENT)
    with pytest.raises(Refusal):
        read_condition({"if-match": OTHER}).check(CURRENT)
    with pytest.raises(Refusal):
        read_condition({"if-unmodified-since": BEFORE}).check(CURRENT)


@pytest.mark.parametrize("tags", ['"2-784111777500"x', '*, "2-784111777500"', "2-784111777500"])
def test_what_is_no_list_of_tags_spares_no_reader_the_body(tags: str) -> None:
    assert not is_unchanged({"if-none-match": tags}, CURRENT)
