"""Topics and their subscribers: tokens, frames, and who hears what until when."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.running import MASTER, RunningUnit, Site, running
from tests.streams import Socket, make_stream, name_streams, socket_to


@pytest.fixture
def stream(cell: Site) -> str:
    """A stream collection with a queue q and a topic t."""
    return make_stream(cell)


def publish(cell: Site, body: str | bytes, path: str = "__/stream/topic/t", **headers: str) -> None:
    answer = cell.call("POST", path, content=body, headers=headers)
    assert (answer.status_code, answer.content) == (200, b""), answer.text


def reader(cell: Site, name: str = "alice", privilege: str = "p:stream-receive") -> None:
    cell.account(name, roles=("reader",))
    assert cell.acl("__/stream", {"reader": privilege}).status_code == 200


def without_time(frame: dict[str, object]) -> dict[str, object]:
    """*frame*, once its Timestamp is seen to be now in milliseconds."""
    assert abs(int(str(frame.pop("Timestamp"))) - time.time() * 1000) < 60_000
    return frame


def is_let_go(socket: Socket, response: str, reason: str) -> None:
    """See *socket* hear that last."""
    assert without_time(socket.hear()) == {"Response": response, "Result": "Error", "Reason": reason}
    assert socket.closed() == 1008


class TestPublishing:
    @pytest.mark.parametrize(("method", "name"), [("POST", "t"), ("PUT", "t"), ("PUT", "t('key')")])
    def test_who_listens_hears_what_is_published_by_post_or_put(
        self, cell: Site, stream: str, method: str, name: str
    ) -> None:
        with socket_to(cell) as alice, socket_to(cell) as bob:
            for each in (alice, bob):
                each.show()
            assert cell.call(method, f"{stream}/topic/{name}", content='{"a": 1}').content == b""
            for each in (alice, bob):
                assert each.hear() == {"From": cell.url, "Body": {"a": 1}}

    @pytest.mark.parametrize("body", ["text", "", "[1]", "牛乳", "x" * 500_000])
    def test_what_is_no_json_object_comes_as_content(self, cell: Site, stream: str, body: str) -> None:
        with socket_to(cell) as alice:
            alice.show()
            publish(cell, body)
            assert alice.hear()["Body"] == {"content": body}

    def test_messages_come_in_their_order_and_reach_only_who_listens_then(self, cell: Site, stream: str) -> None:
        publish(cell, "before")
        with socket_to(cell) as alice:
            alice.show()
            for number in range(50):
                publish(cell, str(number))
            assert [alice.hear()["Body"]["content"] for _ in range(50)] == [str(number) for number in range(50)]
        publish(cell, "after")

    def test_topics_are_apart(self, cell: Site) -> None:
        make_stream(cell, "__/a", topics=("t", "u"))
        make_stream(cell, "__/b", topics=("t",))
        with socket_to(cell, "__/a.topic.t") as alice:
            alice.show()
            for path in ("__/b/topic/t", "__/a/topic/u", "__/a/topic/t"):
                publish(cell, path, path)
            assert alice.hear()["Body"] == {"content": "__/a/topic/t"}

    def test_a_message_says_what_cell_it_is_from(self, unit: RunningUnit, cell: Site, stream: str) -> None:
        cell.account("alice", roles=("sender",))
        cell.acl(stream, {"sender": "p:stream-send"})
        other = unit.cell()
        other.account("bob")
        visitor = other.token("bob", p_target=cell.url)
        cell.acl(stream, {"sender": "p:stream-send", "all": "p:stream-send"})
        with socket_to(cell) as ear:
            ear.show()
            for token, headers, sender in (
                (cell.token("alice"), {}, cell.url),
                (None, {}, cell.url),
                (visitor, {}, other.url),
                (visitor, {"X-Personium-Via": "https://a.example/,https://b.example/"}, "https://a.example/"),
            ):
                sent = cell.call("POST", f"{stream}/topic/t", token=token, content="x", headers=headers)
                assert sent.status_code == 200
                assert ear.hear()["From"] == sender


class TestTokens:
    def test_a_good_token_is_welcome_and_told_how_long(self, cell: Site, stream: str) -> None:
        reader(cell)
        with socket_to(cell) as alice:
            welcome = without_time(alice.show(cell.token("alice", expires_in="100")))
            assert 90 < welcome.pop("ExpiresIn") <= 100  # type: ignore[operator]
            assert welcome == {"Response": "AccessToken", "Result": "Success"}

    @pytest.mark.parametrize("token", ["", "nonsense", "a b", "é", "x" * 50_000])
    def test_a_bad_token_ends_it(self, cell: Site, stream: str, token: str) -> None:
        with socket_to(cell) as alice:
            alice.say({"AccessToken": token})
            is_let_go(alice, "AccessToken", "Token inactive")

    @pytest.mark.parametrize("kind", ["refresh_token", "of another cell", "without the privilege", "revoked"])
    def test_a_token_that_may_not_hear_the_topic_ends_it(
        self, unit: RunningUnit, cell: Site, stream: str, kind: str
    ) -> None:
        reader(cell)
        cell.account("bob")
        other = unit.cell()
        other.account("alice")
        given = cell.grant("alice").json()
        revoked = cell.token("alice")
        cell.call("POST", "__revoke", token=None, data={"token": revoked})
        token = {
            "refresh_token": given["refresh_token"],
            "of another cell": other.token("alice"),
            "without the privilege": cell.token("bob"),
            "revoked": revoked,
        }[kind]
        with socket_to(cell) as alice:
            alice.say({"AccessToken": token})
            is_let_go(alice, "AccessToken", "Token inactive")

    @pytest.mark.parametrize(
        "path",
        ["__/stream.topic.none", "__/stream.topic.q", "__/none.topic.t", "none/stream.topic.t", "__/f.topic.t"],
    )
    def test_a_topic_that_is_not_there_ends_it_in_the_same_words(self, cell: Site, stream: str, path: str) -> None:
        cell.call("PUT", "__/f", content="x")
        with socket_to(cell, path) as alice:
            alice.say({"AccessToken": MASTER})
            is_let_go(alice, "AccessToken", "Token inactive")

    def test_a_token_of_another_cell_will_do_when_its_roles_may(
        self, unit: RunningUnit, cell: Site, stream: str
    ) -> None:
        other = unit.cell()
        other.account("bob")
        cell.acl(stream, {"all": "p:stream-receive"})
        with socket_to(cell) as bob:
            assert bob.show(other.token("bob", p_target=cell.url))["Result"] == "Success"
            publish(cell, "x")
            assert bob.hear()["From"] == cell.url

    def test_the_headers_of_the_handshake_give_no_access(self, cell: Site, stream: str) -> None:
        headers = {"Authorization": f"Bearer {MASTER}", "Origin": "https://evil.example"}
        with socket_to(cell, additional_headers=headers) as alice:
            publish(cell, "unheard")
            assert alice.show()["Result"] == "Success"
            publish(cell, "heard")
            assert alice.hear()["Body"] == {"content": "heard"}

    def test_a_later_token_extends_the_session_and_is_heard_once(self, cell: Site, stream: str) -> None:
        reader(cell)
        with socket_to(cell) as alice:
            first = alice.show(cell.token("alice", expires_in="50"))
            second = alice.show(cell.token("alice", expires_in="500"))
            assert (first["ExpiresIn"] <= 50, second["ExpiresIn"] > 400) == (True, True)
            for number in "12":
                publish(cell, number)
            assert [alice.hear()["Body"]["content"] for _ in "12"] == ["1", "2"]

    @pytest.mark.parametrize(
        "message",
        ['{"accesstoken": "x"}', '{"AccessToken": 1}', "[]", "null", "no JSON", "", b"\x01", '{"Subscribe": {}}'],
    )
    @pytest.mark.parametrize("welcome", [False, True])
    def test_any_other_message_ends_it(self, cell: Site, stream: str, message: str | bytes, welcome: bool) -> None:
        with socket_to(cell) as alice:
            if welcome:
                alice.show()
            alice.connection.send(message)
            is_let_go(alice, "Unknown", "Invalid message")


def revoke_family(cell: Site, token: str) -> None:
    assert cell.call("POST", "__revoke", token=None, data={"token": token}).status_code == 200


def unlink_role(cell: Site, _: str) -> None:
    assert cell.call("DELETE", "__ctl/Account('alice')/$links/_Role('reader')").status_code == 204


def take_right(cell: Site, _: str) -> None:
    assert cell.acl("__/stream", {"reader": "p:stream-send"}).status_code == 200


def deactivate(cell: Site, _: str) -> None:
    changed = cell.call("MERGE", "__ctl/Account('alice')", json={"Status": "deactivated"})
    assert changed.status_code == 204, changed.text


class TestEnds:
    @pytest.mark.parametrize("end", [revoke_family, unlink_role, take_right, deactivate])
    def test_who_has_lost_token_or_right_hears_nothing_more(
        self, cell: Site, stream: str, end: Callable[[Site, str], None]
    ) -> None:
        reader(cell)
        token = cell.token("alice")
        with socket_to(cell) as alice:
            alice.show(token)
            publish(cell, "heard")
            assert alice.hear()["Body"] == {"content": "heard"}
            end(cell, token)
            publish(cell, "unheard")
            is_let_go(alice, "AccessToken", "Token inactive")

    def test_a_topic_that_is_listed_no_more_is_heard_no_more(self, cell: Site, stream: str) -> None:
        make_stream(cell, "__/old")
        for make_unheard in (
            lambda: name_streams(cell, stream, topics=("u",)),
            lambda: cell.call("DELETE", stream),
        ):
            name_streams(cell, stream, topics=("t", "u"))
            with socket_to(cell) as alice:
                alice.show()
                make_unheard()
                answer = cell.call("POST", f"{stream}/topic/t", content="x")
                assert answer.status_code == 404
                alice.say({"AccessToken": MASTER})
                is_let_go(alice, "AccessToken", "Token inactive")

    def test_it_ends_with_its_token(self, cell: Site, stream: str) -> None:
        reader(cell)
        with socket_to(cell) as alice:
            assert alice.show(cell.token("alice", expires_in="1"))["ExpiresIn"] <= 1
            is_let_go(alice, "Unknown", "Session expired")

    def test_a_client_that_never_shows_a_token_is_let_go(self, quick: RunningUnit) -> None:
        cell = quick.cell()
        make_stream(cell)
        with socket_to(cell) as alice:
            is_let_go(alice, "Unknown", "Session expired")

    def test_a_cell_that_is_gone_says_nothing_more(self, unit: RunningUnit) -> None:
        cell = unit.cell()
        make_stream(cell)
        with socket_to(cell) as alice:
            alice.show()
            assert cell.call("DELETE", headers={"X-Personium-Recursive": "true"}).status_code == 204
            alice.say({"AccessToken": MASTER})
            is_let_go(alice, "AccessToken", "Token inactive")


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUnit]:
    """A unit that waits for nobody's token."""
    with running(tmp_path_factory.mktemp("quick") / "data", **{"socket.token_s": 0.2}) as unit:
        yield unit


class TestPaths:
    @pytest.mark.parametrize("path", ["__/a.b.topic.t", "__/a/b/topic/t"])
    def test_the_path_is_written_with_dots_or_with_slashes(self, cell: Site, path: str) -> None:
        cell.call("MKCOL", "__/a")
        make_stream(cell, "__/a/b")
        with socket_to(cell, path) as alice:
            alice.show()
            publish(cell, "x", "__/a/b/topic/t")
            assert alice.hear()["Body"] == {"content": "x"}

    def test_names_with_dots_are_reached_with_slashes(self, cell: Site) -> None:
        make_stream(cell, "__/a.b", topics=("t.u",))
        with socket_to(cell, "__/a.b/topic/t.u") as alice:
            alice.show()
            publish(cell, "x", "__/a.b/topic/t.u")
            assert alice.hear()["Body"] == {"content": "x"}

    def test_topics_of_other_boxes_are_reached(self, cell: Site) -> None:
        assert cell.call("POST", "__ctl/Box", json={"Name": "box"}).status_code == 201
        make_stream(cell, "box/stream")
        with socket_to(cell, "box/stream.topic.t") as alice:
            alice.show()
            publish(cell, "x", "box/stream/topic/t")
            assert alice.hear()["Body"] == {"content": "x"}

    @pytest.mark.parametrize("path", ["", "__", "__/stream", "__/topic.t", "__/stream.queue.q", "__/s..topic.t"])
    def test_what_is_no_topic_is_404_at_the_handshake(self, cell: Site, path: str) -> None:
        with pytest.raises(InvalidStatus) as refused, socket_to(cell, path):
            pass
        assert refused.value.response.status_code == 404

    def test_cells_under_host_names_of_their_own_are_reached(self, tmp_path: Path) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            port = free.getsockname()[1]
        options = {"base_url": "http://unit.example/", "bind": f"127.0.0.1:{port}", "path_style": False}
        unit, http = running(tmp_path / "data", **options), httpx.Client(base_url=f"http://127.0.0.1:{port}")
        with unit, http:
            headers = {"Host": "unit.example", "Authorization": f"Bearer {MASTER}"}
            assert http.post("/__ctl/Cell", json={"Name": "alice"}, headers=headers).status_code == 201
            named = _Named(http, "alice", "http://alice.unit.example/")
            make_stream(named)
            with socket_to(named, address=("127.0.0.1", port)) as alice:
                alice.show()
                publish(named, "x")
                assert alice.hear() == {"From": "http://alice.unit.example/", "Body": {"content": "x"}}


class _Named(Site):
    """A cell of host style, reached without asking for its name."""

    def call(self, method: str, path: str = "", **options: object) -> httpx.Response:  # type: ignore[override]
        headers = {"Authorization": f"Bearer {MASTER}", "Host": f"{self.name}.unit.example"}
        return self.http.request(method, f"/{path}", **{**options, "headers": headers})  # type: ignore[arg-type]


def test_many_subscribers_hear_everything(cell: Site, stream: str) -> None:
    with ExitStack() as open_sockets:
        ears = [open_sockets.enter_context(socket_to(cell)) for _ in range(30)]
        for ear in ears:
            ear.show()
        for number in range(10):
            publish(cell, str(number))
        for ear in ears:
            assert [ear.hear()["Body"]["content"] for _ in range(10)] == [str(number) for number in range(10)]
