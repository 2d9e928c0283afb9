"""WebSockets as such: handshakes, frames, slow clients, pings, the end of the unit."""

from __future__ import annotations

import json
import socket as sockets
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import Protocol, Side

from tests.raw import PATIENCE_S, Raw
from tests.running import MASTER, RunningUnit, Site, running
from tests.streams import Socket, make_stream, socket_to

KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
UPGRADE = ("Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", KEY)
MESSAGE_BYTES = 1_000
FRAGMENTS = 100


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUnit]:
    """A unit of small bounds."""
    options = {
        "socket.message_bytes": MESSAGE_BYTES,
        "socket.fragments": FRAGMENTS,
        "socket.backlog_bytes": 100_000,
        "socket.most": 4,
        "limits.header_bytes": 4_096,
    }
    with running(tmp_path_factory.mktemp("strict") / "data", **options) as unit:
        yield unit


@pytest.fixture
def pinged(tmp_path: Path) -> Iterator[Site]:
    """A cell with a topic, of a unit that asks often whether its clients are there."""
    with running(tmp_path / "data", **{"socket.ping_s": 0.05, "socket.unanswered_pings": 2}) as unit:
        cell = unit.cell()
        make_stream(cell)
        yield cell


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Site]:
    """A cell with a topic, of a unit that takes any number of frames."""
    with running(tmp_path / "data", **{"socket.frames_per_second": 10_000_000}) as unit:
        cell = unit.cell()
        make_stream(cell)
        yield cell


@pytest.fixture
def cell(strict: RunningUnit) -> Site:
    """A cell of the strict unit with a topic."""
    cell = strict.cell()
    make_stream(cell)
    return cell


def frame(opcode: Opcode, data: bytes = b"", *, fin: bool = True, mask: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=mask)


TOKEN = json.dumps({"AccessToken": MASTER}).encode()


@dataclass(slots=True)
class RawSocket(Raw):
    """A WebSocket in bytes."""

    parser: Protocol = field(default_factory=lambda: Protocol(Side.CLIENT, max_size=None))
    heard: list[Frame] = field(default_factory=list)

    def upgrade(self, path: str, *lines: str, behind: bytes = b"") -> tuple[int, dict[str, str], bytes]:
        """Ask for one; *behind* follows in the same piece."""
        head = f"GET {path} HTTP/1.1\r\nHost: {urlsplit(self.url).netloc}\r\n"
        self.send("".join((head, *(f"{line}\r\n" for line in lines), "\r\n")).encode() + behind)
        return self.answer()

    def hear(self) -> Frame:
        """The next frame; EOFError when the unit closes before."""
        while not self.heard:
            piece, self.rest = self.rest or self.connection.recv(1_000_000), b""
            if not piece:
                raise EOFError
            self.parser.receive_data(piece)
            self.heard += [each for each in self.parser.events_received() if isinstance(each, Frame)]
        return self.heard.pop(0)

    def frames(self) -> list[Frame]:
        """All frames until the unit closes."""
        frames = []
        with suppress(EOFError, ConnectionResetError):
            while True:
                frames.append(self.hear())
        return frames

    def ended_with(self) -> int:
        """The code of the close frame that comes in the end."""
        *_, last = self.frames()
        assert last.opcode is Opcode.CLOSE
        return int.from_bytes(last.data[:2], "big")


def topic_path(cell: Site) -> str:
    return f"{urlsplit(cell.url).path}__topic/__/stream.topic.t"


@pytest.fixture
def raw(cell: Site) -> Iterator[RawSocket]:
    """A WebSocket that is open."""
    with RawSocket(cell.url) as raw:
        assert raw.upgrade(topic_path(cell), *UPGRADE)[0] == 101
        yield raw


def publish(cell: Site, body: str) -> None:
    assert cell.call("POST", "__/stream/topic/t", content=body).status_code == 200


class TestHandshakes:
    def test_an_upgrade_is_accepted_without_extension_or_length(self, cell: Site) -> None:
        with RawSocket(cell.url) as raw:
            offers = ("Sec-WebSocket-Extensions: permessage-deflate", "Sec-WebSocket-Protocol: chat")
            status, headers, _ = raw.upgrade(topic_path(cell), *UPGRADE, *offers)
            assert (status, headers["sec-websocket-accept"]) == (101, ACCEPT)
            assert (headers["connection"], headers["upgrade"]) == ("Upgrade", "websocket")
            assert headers["x-personium-version"] == "1.8.4"
            assert headers.keys().isdisjoint({"sec-websocket-extensions", "sec-websocket-protocol", "content-length"})

    @pytest.mark.parametrize(
        ("lines", "status"),
        [
            ((), 426),
            (UPGRADE[:1], 426),
            (UPGRADE[1:], 426),
            (("Connection: Upgrade", "Upgrade: h2c", *UPGRADE[2:]), 426),
            ((*UPGRADE[:2], "Sec-WebSocket-Version: 8", KEY), 426),
            ((*UPGRADE[:2], KEY), 400),
            (UPGRADE[:3], 400),
            ((*UPGRADE[:3], "Sec-WebSocket-Key: short"), 400),
            ((*UPGRADE, KEY), 400),
            ((*UPGRADE, "X: " + "x" * 5_000), 431),
            ((*UPGRADE, "Content-Length: 3"), 101),
        ],
    )
    def test_what_is_no_handshake_is_refused(self, cell: Site, lines: tuple[str, ...], status: int) -> None:
        with RawSocket(cell.url) as raw:
            behind = b"abc" if status == 101 else b""
            found, headers, body = raw.upgrade(topic_path(cell), *lines, behind=behind)
            assert found == status
            if status == 426:
                assert (headers["upgrade"], headers["sec-websocket-version"]) == ("websocket", "13")
                assert json.loads(body)["code"] == "PR426-MC-0001"
            elif status == 400:
                assert json.loads(body)["code"] == "PR400-CM-0006"

    def test_other_methods_are_405(self, cell: Site) -> None:
        for method in ("POST", "PUT", "DELETE", "HEAD", "PROPFIND"):
            assert cell.call(method, "__topic/__/stream.topic.t").status_code == 405

    def test_a_cell_that_is_not_there_is_404(self, strict: RunningUnit) -> None:
        with pytest.raises(InvalidStatus) as refused, socket_to(Site(strict.http, "none", f"{strict.url}none/")):
            pass
        assert refused.value.response.status_code == 404

    def test_an_upgrade_of_anything_else_is_ignored(self, cell: Site) -> None:
        with RawSocket(cell.url) as raw:
            status, headers, _ = raw.upgrade(urlsplit(cell.url).path, *UPGRADE, "Accept: application/json")
            assert (status, headers["connection"]) == (200, "close")
            assert raw.at_end()

    def test_it_has_its_turn_behind_earlier_requests(self, cell: Site) -> None:
        with RawSocket(cell.url) as raw:
            path = urlsplit(cell.url).path
            raw.head("GET", path, "Accept: application/json", token=None)
            status, _, _ = raw.upgrade(topic_path(cell), *UPGRADE, behind=frame(Opcode.TEXT, TOKEN))
            assert status == 200
            assert raw.answer()[0] == 101
            assert json.loads(raw.hear().data)["Result"] == "Success"

    def test_frames_in_one_piece_with_the_handshake_are_heard(self, cell: Site) -> None:
        with RawSocket(cell.url) as raw:
            behind = frame(Opcode.TEXT, TOKEN) + frame(Opcode.CLOSE)
            assert raw.upgrade(topic_path(cell), *UPGRADE, behind=behind)[0] == 101
            assert raw.frames()[-1].opcode is Opcode.CLOSE

    def test_no_more_are_open_than_may_be_and_places_come_back(self, cell: Site) -> None:
        def fill(count: int) -> None:
            if count == 0:
                with pytest.raises(InvalidStatus) as refused, socket_to(cell):
                    pass
                assert refused.value.response.status_code == 503
                assert refused.value.response.headers["retry-after"] == "1"
                return
            with socket_to(cell) as alice:
                alice.show()
                fill(count - 1)

        for _ in range(2):
            fill(4)


class TestFrames:
    def test_a_message_may_come_in_pieces_with_pings_between(self, raw: RawSocket) -> None:
        raw.send(frame(Opcode.TEXT, TOKEN[:5], fin=False))
        raw.send(frame(Opcode.PING, b"hello"))
        for index in range(5, len(TOKEN)):
            raw.send(frame(Opcode.CONT, TOKEN[index : index + 1], fin=index == len(TOKEN) - 1))
        pong, welcome = raw.hear(), raw.hear()
        assert (pong.opcode, pong.data) == (Opcode.PONG, b"hello")
        assert json.loads(welcome.data)["Result"] == "Success"

    def test_a_goodbye_is_answered_with_its_own_code(self, raw: RawSocket) -> None:
        raw.send(frame(Opcode.CLOSE, CloseCode.NORMAL_CLOSURE.to_bytes(2, "big")))
        assert raw.ended_with() == CloseCode.NORMAL_CLOSURE
        assert raw.at_end()

    @pytest.mark.parametrize(
        ("sent", "code"),
        [
            (frame(Opcode.TEXT, b"x", mask=False), CloseCode.PROTOCOL_ERROR),
            (frame(Opcode.CONT, b"x"), CloseCode.PROTOCOL_ERROR),
            (b"\xff\xff\xff\xff\xff\xff", CloseCode.PROTOCOL_ERROR),
            (b"GET / HTTP/1.1\r\n\r\n", CloseCode.PROTOCOL_ERROR),
            (frame(Opcode.TEXT, b"x", fin=False) + frame(Opcode.TEXT, b"x"), CloseCode.PROTOCOL_ERROR),
            (frame(Opcode.CLOSE, b"x"), CloseCode.PROTOCOL_ERROR),
            (frame(Opcode.TEXT, b"\xff"), CloseCode.INVALID_DATA),
            (frame(Opcode.TEXT, b"x" * (MESSAGE_BYTES + 1)), CloseCode.MESSAGE_TOO_BIG),
            (
                frame(Opcode.TEXT, b"x" * MESSAGE_BYTES, fin=False) + frame(Opcode.CONT, b"x"),
                CloseCode.MESSAGE_TOO_BIG,
            ),
            (
                frame(Opcode.TEXT, fin=False) + frame(Opcode.CONT, fin=False) * FRAGMENTS,
                CloseCode.MESSAGE_TOO_BIG,
            ),
            (b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff", CloseCode.MESSAGE_TOO_BIG),
            (frame(Opcode.TEXT, b"x" * MESSAGE_BYTES), CloseCode.POLICY_VIOLATION),
        ],
        ids=lambda _: "",  # the frames have random masks
    )
    def test_garbage_ends_it_with_the_code_of_its_fault(self, raw: RawSocket, sent: bytes, code: CloseCode) -> None:
        raw.send(sent)
        assert raw.ended_with() == code

    def test_what_comes_behind_the_end_is_not_heard(self, raw: RawSocket) -> None:
        raw.send(frame(Opcode.TEXT, b"garbage") + frame(Opcode.TEXT, TOKEN) * 3)
        texts = [json.loads(each.data)["Reason"] for each in raw.frames() if each.opcode is Opcode.TEXT]
        assert texts == ["Invalid message"]

    def test_a_client_that_leaves_without_a_word_is_forgotten(self, cell: Site) -> None:
        for _ in range(8):  # more than may be open at once
            with RawSocket(cell.url) as raw:
                while raw.upgrade(topic_path(cell), *UPGRADE)[0] == 503:
                    pass  # an earlier one is still being forgotten
                raw.send(frame(Opcode.TEXT, TOKEN))
                raw.reset()
        publish(cell, "x")


class TestSlowClients:
    def test_a_client_that_does_not_read_is_let_go_and_holds_up_nobody(self, cell: Site) -> None:
        body = "x" * 50_000
        with RawSocket(cell.url) as slow, socket_to(cell) as quick:
            slow.connection.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 65_536)
            assert slow.upgrade(topic_path(cell), *UPGRADE)[0] == 101
            slow.send(frame(Opcode.TEXT, TOKEN))
            while not slow.connection.recv(1, sockets.MSG_PEEK):
                pass
            quick.show()
            for number in range(300):
                publish(cell, f"{number}{body}")
                assert quick.hear()["Body"]["content"].startswith(str(number))
            heard = [each for each in slow.frames() if each.opcode is Opcode.TEXT]
            assert len(heard) < 200

    def test_pings_of_a_client_that_does_not_read_are_not_answered_without_bound(self, patient: Site) -> None:
        with RawSocket(patient.url) as slow:
            slow.connection.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 65_536)
            assert slow.upgrade(topic_path(patient), *UPGRADE)[0] == 101
            slow.connection.settimeout(0.5)
            flood = frame(Opcode.PING, b"x" * 125) * 500
            with pytest.raises(TimeoutError):
                for _ in range(2_000):
                    slow.send(flood)
            slow.connection.settimeout(PATIENCE_S)

    def test_a_client_that_answers_no_pings_is_let_go(self, pinged: Site) -> None:
        with RawSocket(pinged.url) as raw:
            assert raw.upgrade(topic_path(pinged), *UPGRADE)[0] == 101
            assert [each.opcode for each in raw.frames()] == [Opcode.PING] * 3 + [Opcode.CLOSE]

    def test_a_client_that_answers_stays(self, pinged: Site) -> None:
        with RawSocket(pinged.url) as raw:
            assert raw.upgrade(topic_path(pinged), *UPGRADE)[0] == 101
            for _ in range(10):
                assert raw.hear().opcode is Opcode.PING
                raw.send(frame(Opcode.PONG))


def test_the_end_of_the_unit_closes_all_and_waits_for_none(tmp_path: Path) -> None:
    ends: list[int] = []

    def listen(socket: Socket) -> None:
        ends.append(socket.closed())

    with running(tmp_path / "data") as unit:
        cell = unit.cell()
        make_stream(cell)
        silent = RawSocket(cell.url)
        assert silent.upgrade(topic_path(cell), *UPGRADE)[0] == 101
        with socket_to(cell) as alice:
            alice.show()
            listener = threading.Thread(target=listen, args=(alice,))
            listener.start()
            unit.stop()
            listener.join(PATIENCE_S)
    assert ends == [CloseCode.GOING_AWAY]
    assert silent.ended_with() == CloseCode.GOING_AWAY
    silent.connection.close()


def test_a_message_to_a_subscriber_that_just_left_is_no_error(strict: RunningUnit, cell: Site) -> None:
    with socket_to(cell) as alice:
        alice.show()
        alice.connection.close()
        publish(cell, "x")
        with pytest.raises(ConnectionClosed):
            alice.hear()
    assert '"level": "error"' not in strict.log.getvalue() and '"level":"error"' not in strict.log.getvalue()
