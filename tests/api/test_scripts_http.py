"""Services over HTTP: made, called, and calling back; and scripts that misbehave, which cost one answer."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.raw import Raw
from tests.running import RunningUnit, Site, running
from tests.services import doing, make_service, put_source, returning, set_routes

MAX_WAIT_S = 20


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUnit]:
    """A unit that gives scripts little."""
    options = {"script.js_time_s": 1, "script.wall_s": 20, "script.host_calls": 50, "script.frame_bytes": 1_000_000}
    with running(tmp_path_factory.mktemp("strict") / "data", **options) as unit:
        yield unit


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["code"])


def run(cell: Site, source: str, method: str = "GET", path: str = "", **options: object) -> httpx.Response:
    """What *source* answers as the only script of a new service."""
    make_service(cell, {"run": source})
    return cell.call(method, f"__/svc/run{path}", **options)


def answering(headers: str, *pieces: str) -> str:
    """A script that answers those expressions."""
    return f"function (r) {{ return {{status: 200, headers: {headers}, body: [{', '.join(pieces)}]}} }}"


class TestMaking:
    def test_a_service_is_made_filled_and_run(self, cell: Site) -> None:
        answer = run(cell, returning("request.method"))
        assert (answer.status_code, answer.text) == (200, '"GET"')

    def test_its_routes_are_a_property_that_propfind_shows(self, cell: Site) -> None:
        make_service(cell, {"run": returning("1")})
        shown = cell.call("PROPFIND", "__/svc", headers={"Depth": "0"}).text
        assert 'src="run.js"' in shown and 'language="JavaScript"' in shown

    def test_routes_have_variables_and_the_first_that_fits_counts(self, cell: Site) -> None:
        make_service(cell, {"one": returning("1"), "two": returning("2"), "rest": returning("'rest'")})
        set_routes(cell, {"items/{id}": "one.js", "items/{id}/{sub}": "two.js", "{any: .*}": "rest.js"})
        told = [cell.call("GET", f"__/svc/{path}").text for path in ("items/5", "items/5/x", "a/b/c")]
        assert told == ["1", "2", '"rest"']

    def test_a_changed_source_and_a_changed_route_are_what_runs_next(self, cell: Site) -> None:
        assert run(cell, returning("1")).text == "1"
        put_source(cell, "run", returning("2"))
        assert cell.call("GET", "__/svc/run").text == "2"
        put_source(cell, "other", returning("3"))
        set_routes(cell, {"run": "other.js"})
        assert cell.call("GET", "__/svc/run").text == "3"

    def test_modules_are_required_from_beside_the_script(self, cell: Site) -> None:
        make_service(cell, {"run": returning("require('m').twice(21)")})
        put_source(cell, "m", "exports.twice = function (n) { return 2 * n };")
        assert cell.call("GET", "__/svc/run").text == "42"

    def test_a_service_with_its_sources_moves_as_one(self, cell: Site) -> None:
        make_service(cell, {"run": returning("1")})
        assert cell.call("MOVE", "__/svc", headers={"Destination": f"{cell.url}__/new"}).status_code == 201
        assert cell.call("GET", "__/new/run").text == "1"
        assert cell.call("GET", "__/svc/run").status_code == 404


class TestRequests:
    def test_the_request_is_told_field_by_field(self, unit: RunningUnit, cell: Site) -> None:
        fields = ["method", "scheme", "host", "port", "scriptName", "pathInfo", "queryString"]
        told = run(cell, returning(f"{fields}.map(function (f) {{ return request[f] }})"), path="?a=1&b=%20")
        at = urlsplit(unit.url)
        path = f"{urlsplit(cell.url).path}__/svc/run"
        url = f"{cell.url}__/svc/run"
        assert told.json() == ["GET", "http", at.hostname, str(at.port), url, path, "a=1&b=%20"]

    def test_headers_are_told_by_lower_case_name_and_what_is_between_unit_and_operator_is_not(
        self, cell: Site
    ) -> None:
        make_service(cell, {"run": returning("request.headers")})
        cell.acl("__/svc", {"all": "p:exec"})
        headers = {"X-Some": "thing", "X-Personium-Unit-User": "https://unit.example/someone"}
        told = cell.call("GET", "__/svc/run", token=None, headers=headers).json()
        assert told["x-some"] == "thing"
        assert "x-personium-unit-user" not in told

    @pytest.mark.parametrize("method", ["POST", "PUT"])
    @pytest.mark.parametrize("size_bytes", [0, 10, 3_000_000])
    def test_a_body_comes_back_unread(self, cell: Site, method: str, size_bytes: int) -> None:
        body = os.urandom(size_bytes)
        answer = run(cell, answering("{'Content-Type': 'application/octet-stream'}", "r.input"), method, content=body)
        assert answer.status_code == 200
        assert answer.content == body, "it is not the same"
        assert answer.headers["content-type"] == "application/octet-stream"

    def test_a_body_behind_a_file_comes_back_whole(self, cell: Site) -> None:
        large, body = os.urandom(3_000_000), os.urandom(2_000_000)
        cell.call("PUT", "__/large.bin", content=large)
        source = answering("{}", "_p.localbox().getStream('large.bin')", "r.input")
        assert run(cell, source, "POST", content=body).content == large + body, "it is not the same"

    def test_a_body_is_read_as_text_of_any_encoding(self, cell: Site) -> None:
        answer = run(
            cell, returning("request.input.readAll('Shift_JIS')"), "POST", content="日本".encode("shift_jis")
        )
        assert answer.json() == "日本"

    def test_every_method_of_a_service_reaches_the_script_and_no_other(self, cell: Site) -> None:
        make_service(cell, {"run": returning("request.method")})
        for method in ("GET", "POST", "PUT", "DELETE"):
            assert cell.call(method, "__/svc/run").json() == method
        head = cell.call("HEAD", "__/svc/run")
        assert (head.status_code, head.content) == (200, b"")
        assert code(cell.call("MERGE", "__/svc/run")) == (405, "PR405-MC-0001")

    def test_a_script_that_does_not_read_leaves_the_connection_in_order(self, unit: RunningUnit, cell: Site) -> None:
        make_service(cell, {"run": returning("1")})
        path = urlsplit(f"{cell.url}__/svc/run").path
        with Raw(unit.url) as raw:
            for _ in range(3):
                raw.head("POST", path, "Content-Length: 50000")
                raw.send(b"x" * 50_000)
                assert raw.answer()[2] == b"1"


class TestAnswers:
    def test_status_headers_and_texts_are_the_scripts(self, cell: Site) -> None:
        source = "function (r) { return {status: 418, headers: {'X-Mine': 'yes'}, body: ['日', '本']} }"
        answer = run(cell, source)
        assert (answer.status_code, answer.headers["x-mine"], answer.content.decode()) == (418, "yes", "日本")
        assert answer.headers["x-personium-version"]

    @pytest.mark.parametrize(
        "headers", ["{'X-A': 'b\\r\\nX-Evil: 1'}", "{'X-A\\r\\nX-Evil': '1'}", "{'X-A: 1\\r\\nX-Evil': '1'}"]
    )
    def test_no_header_smuggles_another(self, cell: Site, headers: str) -> None:
        answer = run(cell, answering(headers, "'x'"))
        assert "x-evil" not in answer.headers

    @pytest.mark.parametrize("name", ["Content-Length", "Transfer-Encoding", "Connection"])
    def test_no_header_changes_how_the_answer_is_framed(self, unit: RunningUnit, cell: Site, name: str) -> None:
        value = {"Content-Length": "5", "Transfer-Encoding": "chunked", "Connection": "upgrade"}[name]
        make_service(cell, {"run": answering(f"{{'{name}': '{value}'}}", "'0123456789'")})
        path = urlsplit(f"{cell.url}__/svc/run").path
        with Raw(unit.url) as raw:
            raw.head("GET", path)
            status, headers, body = raw.answer()
            assert (status, body) in {(200, b"0123456789"), (500, body)}
            assert "transfer-encoding" not in headers

    def test_what_is_missing_or_fails_is_a_page_in_html(self, cell: Site) -> None:
        make_service(
            cell, {"throws": doing("throw new Error('<b>bold</b>')"), "syntax": "function (r) {", "none": "1"}
        )
        set_routes(
            cell, {"throws": "throws.js", "syntax": "syntax.js", "none": "none.js", "gone": "gone.js", "bad": "x"}
        )
        expected = {"nowhere": 404, "gone": 404, "bad": 404, "throws": 500, "syntax": 500, "none": 500}
        for path, status in expected.items():
            answer = cell.call("GET", f"__/svc/{path}")
            assert answer.status_code == status, path
            assert answer.headers["content-type"].lower().startswith("text/html")
            assert "<b>" not in answer.text

    def test_the_collection_itself_is_not_run(self, cell: Site) -> None:
        make_service(cell, {"run": returning("1")})
        assert code(cell.call("GET", "__/svc")) == (405, "PR405-MC-0001")
        assert code(cell.call("POST", "__/svc")) == (405, "PR405-MC-0001")


class TestRights:
    @pytest.fixture
    def shared(self, cell: Site) -> Site:
        """A service that a role may run, a file that the same role may not see, one that it may write."""
        cell.call("MKCOL", "__/open")
        cell.call("PUT", "__/secret.txt", content="secret")
        make_service(
            cell,
            {
                "read": returning("_p.localbox().getString('secret.txt')"),
                "write": doing("_p.localbox().col('open').put('made.txt', 'text/plain', 'by script')"),
                "spill": doing("_p.localbox().put('spilled.txt', 'text/plain', 'x')"),
                "caught": returning(
                    "(function () { try { _p.localbox().getString('secret.txt') } catch (e) { return e.code } })()"
                ),
            },
        )
        cell.account("runner", roles=("runner",))
        cell.account("other", roles=("other",))
        cell.acl("__/svc", {"runner": "p:exec"})
        cell.acl("__/open", {"runner": "read write"})
        return cell

    def test_running_needs_exec(self, shared: Site) -> None:
        assert shared.call("GET", "__/svc/caught", token=shared.token("runner")).status_code == 200
        assert code(shared.call("GET", "__/svc/caught", token=shared.token("other"))) == (403, "PR403-AU-0002")
        assert shared.call("GET", "__/svc/caught", token=None).status_code == 401
        assert code(shared.call("GET", "__/svc/nowhere", token=shared.token("other"))) == (403, "PR403-AU-0002")

    def test_who_may_run_may_not_read_the_source(self, shared: Site) -> None:
        token = shared.token("runner")
        assert code(shared.call("GET", "__/svc/__src/read.js", token=token)) == (403, "PR403-AU-0002")
        assert code(shared.call("PUT", "__/svc/__src/read.js", token=token, content="x")) == (403, "PR403-AU-0002")

    def test_a_script_may_what_its_caller_may(self, shared: Site) -> None:
        assert shared.call("GET", "__/svc/read").json() == "secret"
        assert shared.call("GET", "__/svc/write", token=shared.token("runner")).text == "done"
        made = shared.call("GET", "__/open/made.txt")
        assert (made.text, made.headers["content-type"]) == ("by script", "text/plain")

    def test_a_script_may_not_what_its_caller_may_not(self, shared: Site) -> None:
        token = shared.token("runner")
        assert shared.call("GET", "__/svc/caught", token=token).json() == 403
        refused = shared.call("GET", "__/svc/read", token=token)
        assert refused.status_code == 500 and "secret" not in refused.text.replace("secret.txt", "")
        assert shared.call("GET", "__/svc/spill", token=token).status_code == 500
        assert shared.call("GET", "__/spilled.txt").status_code == 404

    def test_a_file_that_a_script_streams_arrives_whole(self, cell: Site) -> None:
        data = os.urandom(5_000_000)
        cell.call("PUT", "__/large.bin", content=data)
        assert run(cell, answering("{}", "_p.localbox().getStream('large.bin')")).content == data

    def test_a_body_that_a_script_stores_arrives_whole_and_cut_not_at_all(
        self, unit: RunningUnit, cell: Site
    ) -> None:
        store = "_p.localbox().put('stored.bin', 'application/octet-stream', request.input.stream())"
        data = os.urandom(2_000_000)
        assert run(cell, doing(store), "POST", content=data).text == "done"
        assert cell.call("GET", "__/stored.bin").content == data
        with Raw(unit.url) as raw:
            raw.head("POST", urlsplit(f"{cell.url}__/svc/run").path, "Content-Length: 500000")
            raw.send(b"x" * 400_000)
        until(lambda: not list(unit.data.glob("cells/*/contents/*/tmp/*")))
        assert cell.call("GET", "__/stored.bin").content == data


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + MAX_WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "it never comes true"
        time.sleep(0.005)


@contextmanager
def in_background(call: Callable[[], httpx.Response]) -> Iterator[list[httpx.Response]]:
    """*call* while the block runs; its answer is in the list after it."""
    answers: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: answers.append(call()))
    thread.start()
    yield answers
    thread.join(MAX_WAIT_S)
    assert not thread.is_alive()


def workers_of(process: int) -> list[int]:
    """The processes that run scripts: the children of the children of *process*."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(pid): int(parent) for pid, parent in (line.split() for line in listed.splitlines())}
    return [pid for pid, parent in parents.items() if parents.get(parent) == process]


BOMBS = {
    "a loop": ("for (;;) {}", 503),
    "a loop in a promise": ("(async function () { for (;;) await null })(); for (;;) {}", 503),
    "memory": ("var a = []; for (;;) a.push(new Uint8Array(1 << 20))", 500),
    "a long text": ("var s = 'x'; for (;;) s += s", 500),
    "recursion": ("(function f() { f() })()", 500),
    "a regular expression": ("/^(a+)+$/.test('a'.repeat(60) + 'b')", 503),
    "a flood of calls": ("for (;;) console.log('x')", 500),
    "a long error": ("request.big = 'x'.repeat(2000000); throw new Error(request.big)", 500),
}


class TestMisbehaviour:
    @pytest.mark.parametrize("what", BOMBS)
    def test_a_bomb_costs_one_answer_and_its_cell_goes_on(self, strict: RunningUnit, what: str) -> None:
        statements, status = BOMBS[what]
        cell = strict.cell()
        make_service(cell, {"bomb": doing(statements), "fine": returning("1")})
        answer = cell.call("GET", "__/svc/bomb")
        assert answer.status_code == status
        assert answer.headers["content-type"].lower().startswith("text/html")
        assert len(answer.content) < 1_100_000
        assert cell.call("GET", "__/svc/fine").text == "1"

    def test_others_are_served_while_one_loops(self, strict: RunningUnit) -> None:
        attacker, victim = strict.cell(), strict.cell()
        make_service(attacker, {"loop": doing("for (;;) {}")})
        make_service(victim, {"fine": returning("1")})
        with (
            httpx.Client(timeout=30) as other,
            in_background(lambda: Site(other, attacker.name, attacker.url).call("GET", "__/svc/loop")) as answers,
        ):
            until(lambda: bool(workers_of(os.getpid())))
            served = 0
            while not answers:
                assert victim.call("GET", "__/svc/fine").text == "1"
                assert attacker.call("PUT", "__/f", content=b"x").status_code in {201, 204}
                served += 1
        assert served > 5
        assert answers[0].status_code == 503

    def test_a_worker_that_is_killed_costs_one_answer(self, strict: RunningUnit) -> None:
        cell = strict.cell()
        make_service(cell, {"loop": doing("for (;;) {}"), "fine": returning("1")})
        before = {each: computed_s(each) for each in workers_of(os.getpid())}

        def looping() -> list[int]:
            # Longer than the start of one that has the next turn.
            return [each for each in workers_of(os.getpid()) if computed_s(each) - before.get(each, 0) > 0.2]

        with (
            httpx.Client(timeout=30) as other,
            in_background(lambda: Site(other, cell.name, cell.url).call("GET", "__/svc/loop")) as answers,
        ):
            until(lambda: bool(looping()))
            for each in looping():
                os.kill(each, signal.SIGKILL)
        assert answers[0].status_code == 500
        assert cell.call("GET", "__/svc/fine").text == "1"

    def test_the_script_of_a_client_that_left_ends_within_its_time(self, strict: RunningUnit) -> None:
        cell = strict.cell()
        make_service(cell, {"loop": doing("for (;;) {}"), "fine": returning("1")})
        with Raw(strict.url) as raw:
            raw.head("GET", urlsplit(f"{cell.url}__/svc/loop").path)
            until(lambda: any(is_busy(each) for each in workers_of(os.getpid())))
        until(lambda: not any(is_busy(each) for each in workers_of(os.getpid())))
        assert cell.call("GET", "__/svc/fine").text == "1"

    def test_nothing_of_a_call_is_left_for_the_next_of_another_caller(self, strict: RunningUnit) -> None:
        cell = strict.cell()
        leave = "globalThis.left = request.headers.authorization; Array.prototype.mine = 1"
        make_service(cell, {"leave": doing(leave), "look": returning("[typeof left, [].mine === undefined]")})
        cell.call("GET", "__/svc/leave")
        assert cell.call("GET", "__/svc/look").json() == ["undefined", True]

    @pytest.mark.parametrize(("extra_bytes", "status"), [(-10_000, 200), (10_000, 500)])
    def test_an_answer_up_to_the_limit_is_sent_and_a_larger_one_fails(
        self, strict: RunningUnit, extra_bytes: int, status: int
    ) -> None:
        cell = strict.cell()
        answer = run(cell, answering("{}", f"'x'.repeat({1_000_000 + extra_bytes})"))
        assert answer.status_code == status

    @pytest.mark.parametrize(("calls", "status"), [(50, 200), (51, 500)])
    def test_as_many_calls_as_are_allowed_are_made_and_one_more_fails(
        self, strict: RunningUnit, calls: int, status: int
    ) -> None:
        cell = strict.cell()
        answer = run(cell, doing(f"for (var i = 0; i < {calls}; i++) console.debug('x')"))
        assert answer.status_code == status

    def test_callers_beyond_the_pool_wait_their_turn(self, tmp_path: Path) -> None:
        with running(tmp_path / "data", **{"script.workers": 2, "script.per_cell_concurrency": 1}) as unit:
            cells = [unit.cell() for _ in range(4)]
            for cell in cells:
                make_service(cell, {"run": returning("1")})
            texts: list[str] = []

            def call(cell: Site) -> None:
                with httpx.Client(timeout=30) as http:
                    texts.append(Site(http, cell.name, cell.url).call("GET", "__/svc/run").text)

            threads = [threading.Thread(target=call, args=(cell,)) for cell in cells * 4]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert texts == ["1"] * 16


def is_busy(process: int) -> bool:
    """Whether that process is computing now."""
    return stat_of(process)[0] == "R"


def computed_s(process: int) -> float:
    """For how long that process has computed."""
    return int(stat_of(process)[11]) / os.sysconf("SC_CLK_TCK")


def stat_of(process: int) -> list[str]:
    """The fields of ``/proc/{process}/stat`` from the state on; of a process that has gone, zeros."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace").rpartition(") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ["0"] * 50
