"""Queues and topics over HTTP: who may send and receive, once and in order, and how much waits."""

from __future__ import annotations

import json
import selectors
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import pytest

from tests.raw import PATIENCE_S, Raw
from tests.running import RunningUnit, Site, running
from tests.streams import make_stream, name_streams

LONG_S = 25
"""A wait that no test comes to the end of."""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUnit]:
    """A unit in which little fits."""
    options = {
        "stream.message_bytes": 10,
        "stream.queue_messages": 3,
        "stream.queue_bytes": 25,
        "stream.receive_messages": 2,
        "stream.receive_bytes": 15,
        "stream.receive_wait_s": 0,
        "stream.receive_wait_max_s": LONG_S,
        "stream.receivers": 1,
    }
    with running(tmp_path_factory.mktemp("small") / "data", **options) as unit:
        yield unit


@pytest.fixture
def stream(cell: Site) -> str:
    """A stream collection with a queue q and a topic t."""
    return make_stream(cell)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["code"])


def received(cell: Site, path: str = "__/stream/queue/q", **params: str | int) -> list[object]:
    answer = cell.call("GET", path, params={"wait": 0, **params})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    messages: list[object] = answer.json()
    return messages


def send(cell: Site, *bodies: str | bytes, path: str = "__/stream/queue/q") -> None:
    for body in bodies:
        answer = cell.call("POST", path, content=body)
        assert (answer.status_code, answer.content) == (200, b""), answer.text


class TestQueues:
    @pytest.mark.parametrize(
        ("method", "name"),
        [("POST", "q"), ("PUT", "q"), ("PUT", "q('key')"), ("PUT", "q(Name='a b',_Box.Name=null)")],
    )
    def test_a_message_is_sent_by_post_or_put_whatever_key_follows(
        self, cell: Site, stream: str, method: str, name: str
    ) -> None:
        sent = cell.call(method, f"{stream}/queue/{quote(name)}", content='{"a": 1}')
        assert (sent.status_code, sent.content) == (200, b"")
        assert received(cell) == [{"a": 1}]

    def test_messages_come_once_and_in_order(self, cell: Site, stream: str) -> None:
        send(cell, '{"n": 1}', '{"n": 2}')
        assert [received(cell), received(cell), received(cell)] == [[{"n": 1}], [{"n": 2}], []]

    @pytest.mark.parametrize("body", ["text", "", "[1]", "1", '"text"', "null", "{broken", "牛乳", "a\nb"])
    def test_what_is_no_json_object_comes_back_as_content(self, cell: Site, stream: str, body: str) -> None:
        send(cell, body)
        assert received(cell) == [{"content": body}]

    def test_an_object_comes_back_letter_by_letter(self, cell: Site, stream: str) -> None:
        body = '{ "big": 123456789012345678901234567890, "b":1.10,\n"a": "\\u00e9" }'
        send(cell, body)
        assert cell.call("GET", f"{stream}/queue/q").text == f"[{body}]"

    def test_max_takes_more_at_once(self, cell: Site, stream: str) -> None:
        send(cell, *"abcde")
        assert [each["content"] for each in received(cell, max=3)] == ["a", "b", "c"]  # type: ignore[index]
        assert len(received(cell, max=100)) == 2

    @pytest.mark.parametrize(
        "params", [{"max": "0"}, {"max": "101"}, {"max": "x"}, {"wait": "-1"}, {"wait": "31"}, {"wait": "1e0"}]
    )
    def test_max_and_wait_are_bounded(self, cell: Site, stream: str, params: dict[str, str]) -> None:
        assert code(cell.call("GET", f"{stream}/queue/q", params=params)) == (400, "PR400-OD-0029")

    def test_a_receiver_waits_a_second_by_default_and_as_long_as_it_says(self, cell: Site, stream: str) -> None:
        begun = time.monotonic()
        assert cell.call("GET", f"{stream}/queue/q").json() == []
        assert 0.9 < time.monotonic() - begun < 10
        begun = time.monotonic()
        assert received(cell, wait="0.2") == []
        assert 0.1 < time.monotonic() - begun < 10

    def test_a_waiting_receiver_gets_a_message_when_it_comes(self, cell: Site, stream: str) -> None:
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(received, cell, wait=LONG_S)
            send(cell, "now")
            assert waiting.result(LONG_S - 5) == [{"content": "now"}]

    def test_of_100_parallel_receivers_each_message_reaches_one(self, cell: Site, stream: str) -> None:
        texts = [f"message {number}" for number in range(100)]
        # A client of the receivers' own: those that wait must not keep connections from the senders.
        with httpx.Client(timeout=30) as http, ThreadPoolExecutor(100) as pool:
            receivers = Site(http, cell.name, cell.url)
            waiting = [pool.submit(received, receivers, wait=LONG_S) for _ in texts]
            send(cell, *texts)
            got = [message for each in waiting for message in each.result(LONG_S)]
        assert Counter(each["content"] for each in got) == Counter(texts)  # type: ignore[index]
        assert received(cell) == []

    def test_for_a_receiver_that_left_nothing_is_taken(self, cell: Site, stream: str) -> None:
        for leave in (Raw.reset, lambda raw: raw.connection.close()):
            raw = Raw(cell.url)
            raw.head("GET", f"{urlsplit(cell.url).path}{stream}/queue/q?wait={LONG_S}")
            assert received(cell) == []  # the other receiver was there before
            leave(raw)
            send(cell, "message")
            assert received(cell) == [{"content": "message"}]

    def test_queues_are_apart(self, cell: Site) -> None:
        for path in ("__/a", "__/b"):
            make_stream(cell, path, queues=("q", "r"))
            for queue in "qr":
                send(cell, f"{path} {queue}", path=f"{path}/queue/{queue}")
        assert received(cell, "__/b/queue/q") == [{"content": "__/b q"}]
        assert received(cell, "__/a/queue/r") == [{"content": "__/a r"}]


class TestNames:
    def test_what_is_not_listed_is_404(self, cell: Site, stream: str) -> None:
        for method, path in (
            ("GET", "queue/none"),
            ("POST", "queue/t"),
            ("POST", "topic/q"),
            ("PUT", "topic/none"),
            ("OPTIONS", "queue/none"),
            ("GET", "topic/none"),
        ):
            assert code(cell.call(method, f"{stream}/{path}")) == (404, "PR404-DV-0001")

    def test_a_name_that_is_listed_no_more_is_404(self, cell: Site, stream: str) -> None:
        send(cell, "message")
        name_streams(cell, stream, queues=("other",))
        assert code(cell.call("GET", f"{stream}/queue/q")) == (404, "PR404-DV-0001")
        name_streams(cell, stream, queues=("q",))
        assert received(cell) == [{"content": "message"}]

    @pytest.mark.parametrize("name", ["a b", "牛乳", "a.b", "a(b)", "é/"])
    def test_names_may_hold_anything_that_a_url_can_say(self, cell: Site, name: str) -> None:
        stream = make_stream(cell, queues=(name,))
        path = f"{stream}/queue/{quote(name, safe='')}"
        send(cell, "message", path=path)
        assert received(cell, path) == [{"content": "message"}]

    @pytest.mark.parametrize("path", ["x", "queue", "topic", "queue/q/x", "stack/q"])
    def test_nothing_else_is_below_a_stream_collection(self, cell: Site, stream: str, path: str) -> None:
        assert code(cell.call("GET", f"{stream}/{path}")) == (404, "PR404-MC-0001")
        assert code(cell.call("GET", f"{stream}/{path}", token=None)) == (401, "PR401-AU-0001")

    @pytest.mark.parametrize(
        ("method", "path"), [("HEAD", "queue/q"), ("GET", "topic/t"), ("HEAD", "topic/t"), ("DELETE", "queue/q")]
    )
    def test_other_methods_are_405_and_take_nothing(self, cell: Site, stream: str, method: str, path: str) -> None:
        send(cell, "message")
        answer = cell.call(method, f"{stream}/{path}")
        assert answer.status_code == 405
        assert received(cell) == [{"content": "message"}]


class TestPrivileges:
    CALLS = (("POST", "queue/q"), ("PUT", "topic/t"), ("GET", "queue/q?wait=0"))

    @pytest.mark.parametrize(
        ("privilege", "statuses"),
        [
            ("p:stream-send", [200, 200, 403]),
            ("p:stream-receive", [403, 403, 200]),
            ("all", [200, 200, 200]),
            ("read write read-acl write-acl p:exec", [403, 403, 403]),
        ],
    )
    def test_sending_and_receiving_each_need_their_privilege(
        self, cell: Site, stream: str, privilege: str, statuses: list[int]
    ) -> None:
        cell.account("alice", roles=("role",))
        cell.acl(stream, {"role": privilege})
        token = cell.token("alice")
        found = [cell.call(method, f"{stream}/{path}", token=token).status_code for method, path in self.CALLS]
        assert found == statuses

    def test_who_may_not_learns_nothing_of_names(self, cell: Site, stream: str) -> None:
        cell.account("alice")
        token = cell.token("alice")
        for method in ("GET", "POST", "PUT", "DELETE"):
            for path in ("queue/q", "queue/none", "topic/t"):
                assert code(cell.call(method, f"{stream}/{path}", token=None)) == (401, "PR401-AU-0001")
                assert code(cell.call(method, f"{stream}/{path}", token=token)) == (403, "PR403-AU-0002")

    @pytest.mark.parametrize(
        ("privilege", "allowed"),
        [
            ("p:stream-send", "OPTIONS, POST, PUT"),
            ("p:stream-receive", "OPTIONS, GET"),
            ("all", "OPTIONS, POST, PUT, GET"),
            ("read", "OPTIONS"),
        ],
    )
    def test_options_says_what_the_subject_may_do(
        self, cell: Site, stream: str, privilege: str, allowed: str
    ) -> None:
        cell.account("alice", roles=("role",))
        cell.acl(stream, {"role": privilege})
        token = cell.token("alice")
        for path in ("queue/q", "topic/t"):
            answer = cell.call("OPTIONS", f"{stream}/{path}", token=token)
            assert (answer.status_code, answer.headers["allow"]) == (200, allowed)
        unlisted = cell.call("OPTIONS", f"{stream}/queue/none", token=token)
        assert unlisted.status_code == (200 if privilege == "read" else 404)


class TestBounds:
    def test_a_full_queue_refuses_and_takes_again_when_there_is_room(self, small: RunningUnit) -> None:
        cell = small.cell()
        path = f"{make_stream(cell)}/queue/q"
        send(cell, "1", "2", "3")
        assert code(cell.call("POST", path, content="4")) == (507, "PR507-DV-0003")
        received(cell)
        send(cell, "4")
        assert [each["content"] for each in received(cell, max=2)] == ["2", "3"]  # type: ignore[index]

    def test_a_queue_is_full_by_its_bytes_too(self, small: RunningUnit) -> None:
        cell = small.cell()
        path = f"{make_stream(cell)}/queue/q"
        send(cell, "x" * 10, "x" * 10)
        assert code(cell.call("POST", path, content="x" * 6)) == (507, "PR507-DV-0003")
        send(cell, "x" * 5)

    def test_a_message_is_bounded_and_read_only_for_who_may_send(self, small: RunningUnit) -> None:
        cell = small.cell()
        stream = make_stream(cell)
        for path in ("queue/q", "topic/t"):
            assert cell.call("POST", f"{stream}/{path}", content="x" * 10).status_code == 200
            assert code(cell.call("POST", f"{stream}/{path}", content="x" * 11)) == (413, "PR413-CM-0001")
            assert code(cell.call("POST", f"{stream}/{path}", content="x" * 11, token=None)) == (401, "PR401-AU-0001")

    def test_one_get_takes_no_more_than_fits_into_an_answer(self, small: RunningUnit) -> None:
        cell = small.cell()
        make_stream(cell)
        send(cell, "x" * 10, "y" * 10)
        assert len(received(cell, max=2)) == 1
        assert code(cell.call("GET", "__/stream/queue/q", params={"max": 3})) == (400, "PR400-OD-0029")

    def test_a_receiver_too_many_hears_so(self, small: RunningUnit) -> None:
        cell = small.cell()
        path = f"{make_stream(cell)}/queue/q"
        with Raw(cell.url) as one, Raw(cell.url) as other:
            for raw in (one, other):
                raw.head("GET", f"{urlsplit(cell.url).path}{path}?wait={LONG_S}")
            # Whichever is heard first waits; the other is answered at once.
            with selectors.DefaultSelector() as either:
                for raw in (one, other):
                    either.register(raw.connection, selectors.EVENT_READ, raw)
                ((answered, _),) = either.select(PATIENCE_S)
            refused, waiting = (one, other) if answered.data is one else (other, one)
            status, headers, body = refused.answer()
            assert (status, headers["retry-after"]) == (503, "1")
            assert json.loads(body)["code"] == "PR503-SV-0001"
            assert received(cell) == []  # who does not wait needs no place
            send(cell, "message")
            assert waiting.answer()[2] == b'[{"content":"message"}]'
        assert cell.call("GET", path, params={"wait": 0.1}).json() == []

    @pytest.mark.parametrize("path", ["queue/q", "topic/t"])
    def test_a_message_that_is_no_utf8_is_400(self, cell: Site, stream: str, path: str) -> None:
        assert code(cell.call("POST", f"{stream}/{path}", content=b"\xff")) == (400, "PR400-CM-0006")


class TestLives:
    def test_messages_go_with_their_collection(self, cell: Site, stream: str) -> None:
        send(cell, "message")
        assert cell.call("DELETE", stream).status_code == 204
        make_stream(cell, stream)
        assert received(cell) == []

    def test_messages_move_with_their_collection(self, cell: Site, stream: str) -> None:
        send(cell, "message")
        moved = cell.call("MOVE", stream, headers={"Destination": f"{cell.url}__/elsewhere"})
        assert moved.status_code == 201
        assert code(cell.call("GET", f"{stream}/queue/q")) == (404, "PR404-DV-0001")
        assert received(cell, "__/elsewhere/queue/q") == [{"content": "message"}]

    def test_a_copy_has_the_same_queues_without_their_messages(self, cell: Site, stream: str) -> None:
        send(cell, "message")
        copied = cell.call("COPY", stream, headers={"Destination": f"{cell.url}__/copy"})
        assert copied.status_code == 201
        assert received(cell, "__/copy/queue/q") == []
        assert received(cell) == [{"content": "message"}]

    def test_an_overwrite_of_another_file_keeps_the_messages_of_what_moves(self, cell: Site, stream: str) -> None:
        cell.call("PUT", "__/file", content="x")
        send(cell, "message")
        headers = {"Destination": f"{cell.url}__/file", "Overwrite": "T"}
        assert cell.call("MOVE", stream, headers=headers).status_code == 204
        assert received(cell, "__/file/queue/q") == [{"content": "message"}]

    def test_a_snapshot_carries_queues_without_their_messages(
        self, unit: RunningUnit, cell: Site, stream: str
    ) -> None:
        send(cell, "message")
        assert cell.call("POST", "__export", json={"Name": "s"}).status_code == 202
        finish(cell, "__export")
        other = unit.cell()
        other.call("PUT", "__snapshot/s.zip", content=cell.call("GET", "__snapshot/s.zip").content)
        assert other.call("POST", "__import", json={"Name": "s"}).status_code == 202
        finish(other, "__import")
        assert received(other) == []
        send(other, "new")
        assert (received(other), received(cell)) == ([{"content": "new"}], [{"content": "message"}])

    def test_messages_outlive_the_unit_and_receivers_do_not_hold_up_its_end(self, tmp_path: Path) -> None:
        answers: list[object] = []
        with running(tmp_path / "data") as unit:
            cell = unit.cell("cell")
            make_stream(cell, queues=("q", "empty"))
            send(cell, "message")
            raw = Raw(cell.url)
            raw.head("GET", f"/cell/__/stream/queue/empty?wait={LONG_S}")
            received(cell, "__/stream/queue/empty")
            waiter = threading.Thread(target=lambda: answers.append(raw.answer()[2]))
            waiter.start()
            begun = time.monotonic()
        waiter.join()
        raw.connection.close()
        assert answers == [b"[]"]
        assert time.monotonic() - begun < LONG_S / 2
        with running(tmp_path / "data") as unit:
            again = Site(unit.http, "cell", f"{unit.url}cell/")
            assert received(again) == [{"content": "message"}]


def finish(cell: Site, job: str) -> None:
    while cell.call("GET", job).json()["status"] != "ready":
        pass
