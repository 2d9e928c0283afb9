"""The XML and the headers of locks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from alveary.errors import BAD_HEADER, BODY_TOO_LARGE, HEADER_MISSING, LOCKED, XML_CONTENT, XML_UNREADABLE, Refusal
from alveary.model.locks import Lock, LockScope
from alveary.wire import dav_locks

NS = {"D": "DAV:"}
TOKEN = "urn:uuid:181d4fae-7d8c-41d0-a765-00a0c91e6bf2"


def lockinfo(scope: str = "<D:exclusive/>", kind: str = "<D:write/>", owner: str = "") -> bytes:
    return (
        f'<D:lockinfo xmlns:D="DAV:"><D:lockscope>{scope}</D:lockscope><D:locktype>{kind}</D:locktype>{owner}'
        "</D:lockinfo>"
    ).encode()


def parse(text: bytes, max_owner_bytes: int = 1024) -> tuple[LockScope, str]:
    return dav_locks.parse_lock(text, max_depth=16, max_owner_bytes=max_owner_bytes)


def kind_of(text: bytes) -> object:
    with pytest.raises(Refusal) as refused:
        parse(text)
    return refused.value.kind


class TestLockBodies:
    def test_a_body_says_the_scope_and_the_owner_is_kept_as_it_is(self) -> None:
        scope, owner = parse(
            lockinfo("<D:shared/>", owner='<D:owner><x:who xmlns:x="urn:x">é &amp; Ö</x:who></D:owner>')
        )
        assert scope is LockScope.SHARED
        element = etree.fromstring(owner)
        assert element.tag == "{DAV:}owner" and element[0].text == "é & Ö"
        assert parse(lockinfo()) == (LockScope.EXCLUSIVE, "")

    @pytest.mark.parametrize(
        "text",
        [
            lockinfo(scope=""),
            lockinfo(scope="<D:exclusive/><D:shared/>"),
            lockinfo(kind=""),
            lockinfo(kind="<D:read/>"),
            b'<D:propfind xmlns:D="DAV:"/>',
        ],
    )
    def test_what_asks_for_no_write_lock_of_one_scope_is_refused(self, text: bytes) -> None:
        assert kind_of(text) is XML_CONTENT

    def test_what_is_no_xml_is_refused(self) -> None:
        assert kind_of(b"<lockinfo") is XML_UNREADABLE

    def test_an_owner_of_the_allowed_length_is_taken_and_one_byte_more_is_not(self) -> None:
        text = lockinfo(owner="<D:owner>é</D:owner>")
        size_bytes = len(parse(text)[1].encode())
        parse(text, size_bytes)
        with pytest.raises(Refusal) as refused:
            parse(text, size_bytes - 1)
        assert refused.value.kind is BODY_TOO_LARGE


class TestHeaders:
    @pytest.mark.parametrize(
        ("raw", "expected"),
        [
            (None, 3600),
            ("", 3600),
            ("Infinite", 3600),
            ("Infinite, Second-4100000000", 3600),
            ("Second-60", 60),
            ("Second-3601", 3600),
            ("Second-0", 1),
            ("nonsense, Second-7", 7),
        ],
    )
    def test_a_timeout_is_the_first_wish_that_is_understood_within_what_is_given(
        self, raw: str | None, expected: int
    ) -> None:
        assert dav_locks.parse_timeout(raw, longest_s=3600) == expected

    @given(st.text())
    def test_any_timeout_is_within_what_is_given(self, raw: str) -> None:
        assert 1 <= dav_locks.parse_timeout(raw, longest_s=3600) <= 3600

    def test_a_lock_token_stands_in_angle_brackets(self) -> None:
        assert dav_locks.parse_lock_token(f" <{TOKEN}> ") == TOKEN

    @pytest.mark.parametrize(
        "raw", ["", TOKEN, "<>", f"<{TOKEN}", f"<{TOKEN}> <{TOKEN}>", "<no-scheme>", "<urn:a b>"]
    )
    def test_any_other_lock_token_is_refused(self, raw: str) -> None:
        with pytest.raises(Refusal) as refused:
            dav_locks.parse_lock_token(raw)
        assert refused.value.kind is BAD_HEADER

    def test_a_missing_lock_token_is_refused(self) -> None:
        with pytest.raises(Refusal) as refused:
            dav_locks.parse_lock_token(None)
        assert refused.value.kind is HEADER_MISSING


class TestAnswers:
    @given(token=st.text(), name=st.text(max_size=20), scope=st.sampled_from(LockScope), deep=st.booleans())
    def test_lockdiscovery_tells_all_of_a_lock_whatever_its_names(
        self, token: str, name: str, scope: LockScope, deep: bool
    ) -> None:
        lock = Lock(token, "box", (name,), scope, deep, '<D:owner xmlns:D="DAV:">me</D:owner>', "", 61_000)
        told = dav_locks.granted(dav_locks.discovery([lock], lambda trail: f"/{trail[0]}", 1_500))
        (active,) = etree.fromstring(told).xpath("D:lockdiscovery/D:activelock", namespaces=NS)
        assert active.find("D:locktype/D:write", NS) is not None
        assert active.find(f"D:lockscope/D:{scope.value}", NS) is not None
        assert active.findtext("D:depth", namespaces=NS) == ("infinity" if deep else "0")
        assert active.findtext("D:timeout", namespaces=NS) == "Second-60"
        assert active.findtext("D:owner", namespaces=NS) == "me"
        assert active.find("D:lockroot/D:href", NS) is not None and active.find("D:locktoken/D:href", NS) is not None

    def test_a_condition_that_was_not_met_is_told_with_the_code_and_the_resources(self) -> None:
        refusal = Refusal(LOCKED)
        root = etree.fromstring(dav_locks.unmet("lock-token-submitted", ["/a&b", "/c"], refusal))
        assert root.tag == "{DAV:}error"
        assert root.xpath("D:lock-token-submitted/D:href/text()", namespaces=NS) == ["/a&b", "/c"]
        assert root.findtext("{urn:x-personium:xmlns}code") == "PR423-DV-0001"
