"""Digests as headers write them, and which of a request's count."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alveary.errors import BAD_HEADER, Refusal
from alveary.http.digests import refuse_part, sent_digest
from alveary.wire import digests

SHA256 = hashlib.sha256(b"x").digest()
TOLD = f"sha-256=:{base64.b64encode(SHA256).decode()}:"


@given(st.binary(min_size=32, max_size=32))
def test_what_is_rendered_is_parsed(sha256: bytes) -> None:
    assert digests.parse("Repr-Digest", digests.render(sha256)) == sha256


@pytest.mark.parametrize("raw", [TOLD, f"md5=:AA==:, {TOLD}", f"SHA-256={TOLD[8:]};a=1 , x", f"  {TOLD} "])
def test_one_algorithm_among_others_is_found(raw: str) -> None:
    assert digests.parse("Repr-Digest", raw) == SHA256


@pytest.mark.parametrize("raw", ["", "sha-512=:AAAA:", "unixsum=30637", "sha-2560=:AA==:"])
def test_other_algorithms_are_passed_over(raw: str) -> None:
    assert digests.parse("Repr-Digest", raw) is None


@given(st.one_of(st.sampled_from(["sha-256", "sha-256=", "sha-256=:AA==:", "sha-256=1", TOLD[:-1]]), st.text()))
def test_what_is_no_digest_is_refused_or_passed_over_and_breaks_nothing(raw: str) -> None:
    try:
        assert digests.parse("Repr-Digest", raw) is None
    except Refusal as refusal:
        assert refusal.kind is BAD_HEADER
    digests.is_wanted(raw)


def test_both_headers_may_tell_the_same_and_must_not_contradict_each_other() -> None:
    other = digests.render(hashlib.sha256(b"y").digest())
    assert sent_digest({}) is None
    assert (
        sent_digest({"content-digest": TOLD}) == sent_digest({"repr-digest": TOLD, "content-digest": TOLD}) == SHA256
    )
    with pytest.raises(Refusal):
        sent_digest({"repr-digest": TOLD, "content-digest": other})


def test_a_part_of_a_file_is_no_file() -> None:
    refuse_part({})
    with pytest.raises(Refusal):
        refuse_part({"content-range": "bytes 0-1/2"})
