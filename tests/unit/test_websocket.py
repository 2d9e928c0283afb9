"""What a WebSocket takes of a client in one turn of the loop and in one second, over a transport that only notes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from uvicorn.server import ServerState
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import Protocol, Side

from alveary.http.channel import Channel
from alveary.http.settings import EdgeSettings
from alveary.http.websocket import SocketClosed, WebSocket
from alveary.wire.urls import Urls

SHARE_BYTES = 2_048
FRAGMENTS = 300
FRAMES_PER_S = 1_000
SETTINGS = EdgeSettings(
    Urls.parse("http://unit.example/", path_style=True),
    socket_fragments=FRAGMENTS,
    socket_frames_per_second=FRAMES_PER_S,
    socket_ping_s=3_600,
)


def frame(opcode: Opcode, data: bytes = b"", *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


class Wire(asyncio.Transport):
    """A transport that keeps what is written, and notes whether it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.pieces: list[object] = []
        self.is_read = True
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        for data in list_of_data:
            self.pieces.append(data)
            self.write(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True


class Client:
    """The client of a new WebSocket, in a world whose seconds go by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, turns: asyncio.Semaphore) -> None:
        loop = asyncio.get_running_loop()
        self.now_s = loop.time()
        monkeypatch.setattr(loop, "time", lambda: self.now_s)
        self.wire = Wire()
        self.socket = WebSocket(Channel(self.wire, loop), SETTINGS, ServerState(), turns)
        self.socket.connection_made(self.wire)
        self._parser = Protocol(Side.CLIENT)

    def say(self, *frames: bytes) -> None:
        """Have that arrive in one piece."""
        assert self.wire.is_read
        self.socket.data_received(b"".join(frames))

    def heard(self) -> list[Frame]:
        """What has come since the last time."""
        written, self.wire.written = self.wire.written, b""
        self._parser.receive_data(written)
        return [each for each in self._parser.events_received() if isinstance(each, Frame)]

    async def settled(self) -> None:
        """Let all that was said be taken."""
        while not (self.wire.is_read or self.wire.closed):
            await asyncio.sleep(0)

    def is_let_go_with(self, code: CloseCode) -> bool:
        """Whether the last frame said so, and the connection is closed."""
        last = self.heard()[-1]
        return last.opcode is Opcode.CLOSE and last.data[:2] == code.to_bytes(2, "big") and self.wire.closed


@pytest.fixture
async def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    return Client(monkeypatch, asyncio.Semaphore(1))


class TestTurns:
    async def test_what_comes_at_once_is_taken_over_many_turns_while_nothing_more_is_read(
        self, client: Client
    ) -> None:
        ping = frame(Opcode.PING, b"x" * 26)
        client.say(ping * 512)
        answered = [len(client.heard())]
        while not client.wire.is_read:
            await asyncio.sleep(0)
            answered.append(len(client.heard()))
        assert answered == [SHARE_BYTES // len(ping)] * (512 * len(ping) // SHARE_BYTES)

    async def test_what_fits_into_a_turn_is_taken_at_once(self, client: Client) -> None:
        client.say(frame(Opcode.PING))
        assert [each.opcode for each in client.heard()] == [Opcode.PONG]
        assert client.wire.is_read

    async def test_messages_across_turns_come_whole_and_in_order(self, client: Client) -> None:
        messages = [str(number) * (number * 7) for number in range(1, 100)]
        client.say(*(frame(Opcode.TEXT, each.encode()) for each in messages))
        assert [await client.socket.receive() for _ in messages] == messages

    async def test_what_comes_while_more_is_left_is_taken_behind_it(self, client: Client) -> None:
        client.say(frame(Opcode.TEXT, b"a" * 3_000))
        client.socket.data_received(frame(Opcode.TEXT, b"b"))  # as TLS may, that has decrypted it already
        assert [await client.socket.receive(), await client.socket.receive()] == ["a" * 3_000, "b"]

    async def test_a_goodbye_behind_many_frames_is_answered_in_its_turn(self, client: Client) -> None:
        goodbye = frame(Opcode.CLOSE, CloseCode.NORMAL_CLOSURE.to_bytes(2, "big"))
        client.say(frame(Opcode.PING) * 900, goodbye)
        await client.settled()
        opcodes = [each.opcode for each in client.heard()]
        assert opcodes == [Opcode.PONG] * 900 + [Opcode.CLOSE]
        assert client.wire.closed

    async def test_of_a_client_that_does_not_read_nothing_more_is_taken_until_it_does(self, client: Client) -> None:
        client.say(frame(Opcode.PING, b"x" * 26) * 512)
        client.socket.pause_writing()
        await asyncio.sleep(0)
        before = len(client.heard())
        for _ in range(20):
            await asyncio.sleep(0)
        assert (client.heard(), client.wire.is_read) == ([], False)
        client.socket.resume_writing()
        await client.settled()
        assert before + len(client.heard()) == 512

    async def test_what_is_left_of_a_client_that_is_gone_is_dropped(self, client: Client) -> None:
        client.say(frame(Opcode.PING) * 900)
        client.heard()
        client.socket.connection_lost(None)
        for _ in range(20):
            await asyncio.sleep(0)
        assert client.wire.written == b""


class TestFloods:
    async def test_a_message_has_so_many_fragments_and_no_more(self, client: Client) -> None:
        first, more, last = (
            frame(Opcode.TEXT, b"x", fin=False),
            frame(Opcode.CONT, fin=False),
            frame(Opcode.CONT, b"y"),
        )
        for _ in range(2):
            client.say(first, more * (FRAGMENTS - 2), last)
            assert await client.socket.receive() == "xy"
        client.say(first, more * FRAGMENTS)
        await client.settled()
        assert client.is_let_go_with(CloseCode.MESSAGE_TOO_BIG)

    @pytest.mark.parametrize(
        "flood",
        [
            frame(Opcode.PING),
            frame(Opcode.PONG),
            frame(Opcode.TEXT, fin=False) + frame(Opcode.CONT),
            frame(Opcode.BINARY),
        ],
        ids=["pings", "pongs", "fragments", "messages"],
    )
    async def test_more_frames_in_a_second_than_may_come_end_it(self, client: Client, flood: bytes) -> None:
        client.say(flood * FRAMES_PER_S * 2)
        with pytest.raises(SocketClosed):
            while True:
                await client.socket.receive()
        assert client.is_let_go_with(CloseCode.POLICY_VIOLATION)

    async def test_as_many_in_each_second_are_served(self, client: Client) -> None:
        for _ in range(10):
            client.say(frame(Opcode.PING) * FRAMES_PER_S)
            await client.settled()
            assert [each.opcode for each in client.heard()] == [Opcode.PONG] * FRAMES_PER_S
            client.now_s += 1

    async def test_a_client_that_is_told_goodbye_may_not_go_on_with_a_flood(self, client: Client) -> None:
        client.socket.close(CloseCode.NORMAL_CLOSURE)
        client.say(frame(Opcode.PING) * FRAMES_PER_S * 2)
        await client.settled()
        assert client.wire.closed
        assert len(client.heard()) <= FRAMES_PER_S + 1


class TestManyAtOnce:
    @pytest.mark.parametrize("size_bytes", [0, 1, 125, 126, 65_535, 65_536, 1_000_000])
    async def test_a_text_of_any_length_comes_whole(self, client: Client, size_bytes: int) -> None:
        await client.socket.send(b"x" * size_bytes)
        (heard,) = client.heard()
        assert (heard.opcode, heard.fin, bytes(heard.data)) == (Opcode.TEXT, True, b"x" * size_bytes)

    async def test_a_long_text_to_many_is_copied_for_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        text = b"x" * 100_000
        clients = [Client(monkeypatch, asyncio.Semaphore(1)) for _ in range(3)]
        for each in clients:
            await each.socket.send(text)
        assert all(each.wire.pieces[-1] is text for each in clients)

    async def test_of_many_that_have_something_to_receive_some_go_on_in_each_turn(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        turns = asyncio.Semaphore(8)
        clients = [Client(monkeypatch, turns) for _ in range(100)]
        received: list[object] = []

        async def talk(socket: WebSocket) -> None:
            for _ in range(2):
                received.append(await socket.receive())

        async with asyncio.TaskGroup() as talks:
            for each in clients:
                talks.create_task(talk(each.socket))
            await asyncio.sleep(0)
            for item in "ab":
                for each in clients:
                    each.socket.post(item, 1)
            seen = 0
            while seen < 200:
                await asyncio.sleep(0)
                assert len(received) - seen <= 8
                seen = len(received)
        assert (received.count("a"), received.count("b")) == (100, 100)
