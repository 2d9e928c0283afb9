"""The frames between server and worker; what a worker sends is hostile."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alveary.errors import NO_SUCH_CELL, Refusal
from alveary.model.script import HostCall, ScriptAnswer, Stream
from alveary.wire import script_frames
from alveary.wire.script_frames import FrameError, FrameReader, frame
from tests.script_host import job

TEXT = st.text(st.characters(codec=None))  # lone surrogates among them
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)


def lines(head: object, *pieces: str | int) -> bytes:
    return "\n".join(json.dumps(each) for each in (head, *pieces)).encode()


def answer(headers: object = None, status: object = 200, *pieces: str | int) -> bytes:
    return lines({"status": status, "headers": {} if headers is None else headers}, *pieces)


class TestFrames:
    @given(st.binary(max_size=200), st.integers(1, 50))
    def test_a_frame_arrives_however_it_is_cut(self, payload: bytes, step: int) -> None:
        reader, data = FrameReader(200), frame(script_frames.CALL, payload)
        found = [reader.feed(data[at : at + step]) for at in range(0, len(data), step)]
        assert found[:-1] == [None] * (len(found) - 1)
        assert found[-1] is not None
        assert (found[-1].kind, found[-1].payload) == (script_frames.CALL, payload)

    def test_a_frame_over_the_limit_is_refused_by_its_header_alone(self) -> None:
        FrameReader(10).feed(frame(script_frames.CALL, b"x" * 10))
        with pytest.raises(FrameError):
            FrameReader(10).feed(b"\0\0\0\x0bC")

    @pytest.mark.parametrize("kind", [script_frames.JOB, script_frames.REPLY, b"\0", b"?"])
    def test_a_kind_that_workers_do_not_send_is_refused(self, kind: bytes) -> None:
        with pytest.raises(FrameError):
            FrameReader(10).feed(frame(kind, b""))

    def test_more_than_one_frame_at_a_time_is_refused(self) -> None:
        with pytest.raises(FrameError):
            FrameReader(10).feed(frame(script_frames.CALL, b"x") + b"\0")

    @given(st.binary(max_size=300))
    def test_no_bytes_at_all_do_more_than_be_refused(self, payload: bytes) -> None:
        for parse in (script_frames.parse_call, script_frames.parse_answer):
            with contextlib.suppress(FrameError, ValueError):
                parse(payload)


class TestToWorkers:
    @given(JSON)
    def test_a_value_survives_as_ascii(self, value: object) -> None:
        reply = script_frames.value_reply(value)  # type: ignore[arg-type]
        assert reply.isascii()
        assert b"\0" not in reply
        assert json.loads(reply) == {"ok": True, "value": value}

    def test_a_refusal_has_the_status_and_the_body_of_its_answer(self) -> None:
        reply = json.loads(script_frames.refusal_reply(Refusal(NO_SUCH_CELL)))
        assert (reply["ok"], reply["code"]) == (False, 404)
        assert json.loads(reply["message"])["code"] == "PR404-DV-0003"

    def test_a_job_names_the_request_and_the_place(self) -> None:
        told = json.loads(script_frames.render_job(job("ignored", headers={"x": "\ud800\0"})))
        assert told["request"]["headers"] == {"x": "\ud800\0"}
        assert (told["boxName"], told["cellUrl"]) == ("box", "https://unit.example/cell/")


class TestCalls:
    @given(TEXT, st.dictionaries(TEXT, JSON, max_size=3), st.none() | TEXT | st.integers(0, 10**9 - 1))
    def test_a_call_arrives_as_it_was_made(self, op: str, args: dict[str, object], data: str | int | None) -> None:
        payload = lines({"op": op, "args": args}, *([] if data is None else [data]))
        expected = Stream(data) if isinstance(data, int) else data
        assert script_frames.parse_call(payload) == HostCall(op, args, expected)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "payload",
        [
            b"", b"{}", b"[]", b'"x"', b'{"op":1,"args":{}}', b'{"op":"x","args":[]}', b'{"op":"x","args":{}}\n\n',
            b'{"op":"x","args":{}}\n"a"\n"b"', b'{"op":"x","args":{}}\n-1', b'{"op":"x","args":{}}\n1234567890',
            b'{"op":"x","args":{}}\n{}', b'{"op":"x","args":{}}\n[1]', b'{"op":"x","args":{"a":NaN}}', b"\xff",
            b"[" * 60_000, b'{"op":"x","args":{"a":' + b"1" * 5000 + b"}}",
            lines({"op": "x", "args": {"a": "x" * script_frames.HEAD_LINE_BYTES}}),
        ],
    )  # fmt: skip
    def test_a_call_of_another_form_is_refused(self, payload: bytes) -> None:
        with pytest.raises(FrameError):
            script_frames.parse_call(payload)


class TestAnswers:
    def test_texts_and_streams_come_in_their_order(self) -> None:
        found = script_frames.parse_answer(answer({"Content-Type": "text/plain"}, 201, "é", 0, "\ud800", 7))
        body = ("é".encode(), Stream(0), b"?", Stream(7))
        assert found == ScriptAnswer(201, (("Content-Type", "text/plain"),), body)

    @pytest.mark.parametrize("status", [True, 199, 1000, 200.0, "200", None])
    def test_a_status_that_is_no_number_from_200_to_999_is_invalid(self, status: object) -> None:
        with pytest.raises(ValueError, match="status"):
            script_frames.parse_answer(answer({}, status))

    @pytest.mark.parametrize(
        "headers", [{"a b": "x"}, {"": "x"}, {"a": 1}, {"a": "x\r\ny"}, {"a": "\u0100"}, {"a\n": ""}]
    )
    def test_a_header_that_http_cannot_carry_is_invalid(self, headers: object) -> None:
        with pytest.raises(ValueError, match="header"):
            script_frames.parse_answer(answer(headers))

    def test_more_pieces_than_allowed_are_refused(self) -> None:
        script_frames.parse_answer(answer({}, 200, *[0] * script_frames.BODY_PIECES))
        with pytest.raises(FrameError):
            script_frames.parse_answer(answer({}, 200, *[0] * (script_frames.BODY_PIECES + 1)))

    @pytest.mark.parametrize(
        "name", ["utf-8", "UTF8", "Shift_JIS", "windows-31j", "ISO-8859-1", "EUC-JP", "us-ascii"]
    )
    def test_charsets_of_text_are_known(self, name: str) -> None:
        assert "".encode(script_frames.text_encoding(name)) == b""

    @pytest.mark.parametrize("name", ["zip", "base64", "rot13", "idna", "punycode", "klingon", "", "utf-8\0", "../x"])
    def test_transforms_and_inventions_are_no_charsets(self, name: str) -> None:
        with pytest.raises(ValueError, match="charset"):
            script_frames.text_encoding(name)
