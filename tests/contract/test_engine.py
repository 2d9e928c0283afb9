"""What the use cases may expect of a script engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable

import pytest

from alveary.adapters.engine.pool import ScriptEngine
from alveary.errors import LACKS_PRIVILEGE, TOO_MANY_REQUESTS, Refusal
from alveary.model.entities import JsonValue
from alveary.model.script import HostCall, Stream
from alveary.ports.engine import Engine, EngineLimits, ScriptFailed, ScriptTimedOut
from tests.script_host import FilesHost, job, returning, text_of

EngineOf = Callable[[EngineLimits], ScriptEngine]


@pytest.fixture
async def engine_of() -> AsyncIterator[EngineOf]:
    made: list[ScriptEngine] = []

    def make(limits: EngineLimits) -> ScriptEngine:
        made.append(ScriptEngine(limits, lambda text: None))
        return made[-1]

    yield make
    for engine in made:
        await engine.close()


@pytest.fixture
def engine(engine_of: EngineOf) -> Engine:
    return engine_of(EngineLimits(js_time_s=10))


async def answer(engine: Engine, source: str, host: FilesHost | None = None) -> str:
    return text_of(await engine.run(job(source), host or FilesHost()))


async def failure(engine: Engine, source: str, host: FilesHost | None = None) -> str:
    with pytest.raises(ScriptFailed) as failed:
        await engine.run(job(source), host or FilesHost())
    return str(failed.value)


class TestRequest:
    async def test_the_script_sees_method_urls_and_lower_case_headers(self, engine: Engine) -> None:
        seen = json.loads(await answer(engine, returning("request")))
        assert seen["method"] == "GET"
        assert seen["port"] == "443"
        assert seen["scriptName"] == "https://unit.example/cell/box/svc/path"
        assert seen["pathInfo"] == "/cell/box/svc/path"
        assert seen["queryString"] == "a=1"
        assert seen["headers"] == {"accept": "*/*"}
        assert seen["env"] == {"requestUri": "https://unit.example/cell/box/svc/path?a=1"}
        assert seen["jsgi"]["version"] == [0, 3]

    async def test_the_first_read_of_the_body_fixes_its_encoding(self, engine: Engine) -> None:
        reads = "[request.input.readLine('shift_jis'), request.input.readAll('utf-8')]"
        seen = json.loads(await answer(engine, returning(reads)))
        assert seen == ["input.readLine shift_jis", "input.readAll shift_jis"]


class TestForm:
    async def test_helpers_after_the_function_are_globals_run_before_the_call(self, engine: Engine) -> None:
        source = """
            // a comment may come first
            function main(request) { return {status: 200, headers: {}, body: [helper()]}; }
            var greeting = "hello ";
            function helper() { return greeting + this.greeting + typeof main; }
        """
        assert await answer(engine, source) == "hello hello undefined"

    async def test_a_source_that_begins_with_no_function_fails(self, engine: Engine) -> None:
        assert "does not begin with a function" in await failure(engine, "1 + 1")

    async def test_a_syntax_error_fails_with_its_message(self, engine: Engine) -> None:
        assert (await failure(engine, "function (")).startswith("SyntaxError: ")

    async def test_a_source_with_a_nul_byte_fails_and_is_not_cut(self, engine: Engine) -> None:
        assert "null character" in await failure(engine, returning("1") + "\n// \0 \n")

    async def test_an_uncaught_exception_fails_with_its_text_alone(self, engine: Engine) -> None:
        assert await failure(engine, "function (r) { throw new Error('no\\nluck'); }") == "Error: no\nluck"
        assert await failure(engine, "function (r) { throw 5; }") == "5"

    async def test_an_async_function_answers_when_its_promise_does(self, engine: Engine) -> None:
        source = "async function (r) { await null; return {status: 200, body: [await Promise.resolve('late')]}; }"
        assert await answer(engine, source) == "late"

    async def test_a_rejected_promise_fails_and_one_never_settled_too(self, engine: Engine) -> None:
        assert await failure(engine, "async function (r) { throw new TypeError('x'); }") == "TypeError: x"
        assert "never settled" in await failure(engine, "function (r) { return new Promise(() => {}); }")


class TestAnswer:
    @pytest.mark.parametrize(
        "response",
        [
            "undefined", "null", "7", "{}", "{status: '200', headers: {}, body: []}",
            "{status: 199, headers: {}, body: []}", "{status: 2000, headers: {}, body: []}",
            "{status: 200.5, headers: {}, body: []}", "{status: 200, headers: {a: 1}, body: []}",
            "{status: 200, headers: {'bad name': 'x'}, body: []}",
            "{status: 200, headers: {a: 'x\\r\\nb: y'}, body: []}",
            "{status: 200, headers: {}, body: 'text'}", "{status: 200, headers: {}, body: [1]}",
            "{status: 200, headers: {}, body: [{$stream: 0}]}", "{status: 200, headers: {}}",
            "{status: 200, headers: {'Content-Type': 'nonsense'}, body: []}",
            "{status: 200, headers: {'Content-Type': 'text/plain; charset=klingon'}, body: []}",
        ],
    )  # fmt: skip
    async def test_an_answer_of_another_form_fails(self, engine: Engine, response: str) -> None:
        assert await failure(engine, f"function (r) {{ return {response}; }}")

    async def test_text_is_encoded_in_the_charset_of_the_content_type(self, engine: Engine) -> None:
        source = """function (r) {
            var headers = {'Content-Type': 'text/plain; charset="Shift_JIS"'};
            return {status: 200, headers: headers, body: ['日本', '語']};
        }"""
        assert (await engine.run(job(source), FilesHost())).body == ("日本語".encode("shift_jis"),)

    async def test_nul_lone_surrogates_and_astral_characters_pass_uncut(self, engine: Engine) -> None:
        host = FilesHost(files={"f": "a\0b\U0001f600\ud800c"})
        source = returning("_p.localbox().getString('f')")
        assert json.loads(await answer(engine, source, host)) == "a\0b\U0001f600\ud800c"
        await answer(
            engine,
            "function (r) { _p.localbox().put('g', 't', 'x\\0\\ud800'); return {status: 200, body: []}; }",
            host,
        )
        assert host.files["g"] == "x\0\ud800"

    async def test_headers_that_only_the_server_may_say_are_dropped(self, engine: Engine) -> None:
        source = """function (r) { return {status: 202, body: [], headers: {
            'Content-Length': '5', 'transfer-encoding': 'chunked', 'Date': 'x', 'X-Kept': 'y'}}; }"""
        found = await engine.run(job(source), FilesHost())
        assert (found.status, found.headers) == (202, (("X-Kept", "y"),))

    async def test_streams_pass_by_number_between_texts(self, engine: Engine) -> None:
        source = """function (r) {
            var file = _p.localbox().getStream('f');
            return {status: 200, body: ['a', 'b', r.input.stream(), file, 'c', r.input]};
        }"""
        found = await engine.run(job(source), FilesHost())
        assert found.body == (b"ab", Stream(0), Stream(1), b"c", Stream(0))

    async def test_the_response_helper_answers_json(self, engine: Engine) -> None:
        source = "function (r) { var a = new JSGIResponse(); a.setResponseData({x: 1}); return a; }"
        found = await engine.run(job(source), FilesHost())
        assert found.headers == (("Content-Type", "application/json"),)
        assert text_of(found) == '{"x":1}'

    async def test_long_texts_put_together_of_many_arrive_whole(self, engine: Engine) -> None:
        source = """function (r) {
            var t = '';
            for (var i = 0; i < 20000; i++) t += 'abcdefghij';
            return {status: 200, body: [t, t]};
        }"""
        assert await answer(engine, source) == "abcdefghij" * 40000


class TestCalls:
    async def test_a_file_is_put_and_read_back(self, engine: Engine) -> None:
        host = FilesHost()
        source = """function (r) {
            var dir = _p.as('client').cell().box().col('dir');
            dir.put('a.txt', 'text/plain', 'one');
            dir.put({path: 'b.txt', contentType: 'text/plain', data: r.input.stream(), etag: '"1-2"'});
            dir.del('c.txt'); dir.mkCol('sub');
            var told = [dir.getString('a.txt'), dir.getFileList().join(), dir.getPath()];
            return {status: 200, body: [told.join(' ')]};
        }"""
        told = await answer(engine, source, host)
        assert told == "one dir/a.txt,dir/b.txt https://unit.example/cell/box/dir"
        assert [(call.op, call.args["path"]) for call in host.calls] == [
            ("dav.put", "dir/a.txt"), ("dav.put", "dir/b.txt"), ("dav.delete", "dir/c.txt"),
            ("dav.mkcol", "dir/sub"), ("dav.get", "dir/a.txt"), ("dav.list", "dir"),
        ]  # fmt: skip
        assert host.calls[1].data == Stream(0)
        assert host.calls[1].args["etag"] == '"1-2"'

    async def test_a_refusal_is_an_exception_with_status_and_body(self, engine: Engine) -> None:
        source = """function (r) {
            try { _p.localbox().getString('none'); } catch (e) {
                var told = [e instanceof _p.PersoniumException, e instanceof Error, e.code, e.name];
                return {status: 200, body: [JSON.stringify(told.concat(JSON.parse(e.message).code))]};
            }
        }"""
        told = json.loads(await answer(engine, source))
        assert told == [True, True, 404, "_p.PersoniumException", "PR404-DV-0001"]

    async def test_a_fault_of_the_host_reaches_the_caller_and_costs_the_worker_alone(self, engine: Engine) -> None:
        class Faulty:
            async def call(self, call: HostCall) -> JsonValue:
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await engine.run(job("function (r) { _p.localbox().getString('f'); }"), Faulty())
        assert await answer(engine, returning("1")) == "1"

    async def test_what_this_unit_lacks_throws_and_names_itself(self, engine: Engine) -> None:
        told = [
            "_p.as('serviceSubject')", "_p.as({cellUrl: 'https://x/'})", "new _p.extension.HttpClient()",
            "_p.localbox().odata('o')", "_p.localbox().acl", "_p.as('client').cell('https://other/')",
            "_p.as('client').cell().getToken()", "_p.as('client').cell().event",
        ]  # fmt: skip
        for each in told:
            assert "is not available on this unit" in await failure(engine, f"function (r) {{ {each}; }}")
        assert "Parameter Invalid" in await failure(engine, "function (r) { _p.as('nobody'); }")

    async def test_the_console_goes_to_the_host(self, engine: Engine) -> None:
        host = FilesHost()
        await answer(
            engine,
            "function (r) { console.warn('a', {b: 1}, undefined); return {status: 200, body: []}; }",
            host,
        )
        assert host.calls == [HostCall("log", {"level": "warn"}, 'a {"b":1} undefined')]

    async def test_utilities_parse_queries_and_escape_html(self, engine: Engine) -> None:
        parsed = "_p.util.queryParse('a=1&b=%E6%97%A5+x&a=2')"
        escaped = "_p.util.escape4xss('<a href=\"x\">')"
        told = json.loads(await answer(engine, returning(f"[{parsed}, {escaped}, _p.getServerVersion()]")))
        assert told == [{"a": ["1", "2"], "b": "日 x"}, "&lt;a href=&quot;x&quot;&gt;", "1.8.4"]


class TestModules:
    async def test_a_module_runs_once_a_request_and_sees_the_globals_of_the_script(self, engine: Engine) -> None:
        host = FilesHost(
            modules={
                "m": "runs = (typeof runs === 'undefined' ? 0 : runs) + 1; exports.seen = [top1, typeof exports];"
            }
        )
        source = """function (r) {
                require('m');
                return {status: 200, body: [JSON.stringify([require('m').seen, runs])]};
            }
            var top1 = 'global';"""
        assert json.loads(await answer(engine, source, host)) == [["global", "function"], 1]

    async def test_the_next_request_has_the_text_already_until_it_changes(self, engine: Engine) -> None:
        host = FilesHost(modules={"m": "exports.x = 1"})
        source = returning("require('m').x")
        assert [await answer(engine, source, host), await answer(engine, source, host)] == ["1", "1"]
        host.modules["m"] = "exports.x = 2"
        assert await answer(engine, source, host) == "2"
        assert [call.args["have"] for call in host.calls] == [None, "exports.x = 1", "exports.x = 1"]

    async def test_missing_and_broken_modules_can_be_caught(self, engine: Engine) -> None:
        host = FilesHost(modules={"broken": "function ("})
        source = """function (r) { var told = []; ['none', 'broken'].forEach(function (name) {
            try { require(name); } catch (e) { told.push(String(e)); } });
            return {status: 200, body: [JSON.stringify(told)]}; }"""
        missing, broken = json.loads(await answer(engine, source, host))
        assert "PR404-DV-0001" in missing
        assert broken.startswith("SyntaxError: syntax error (broken)")


class TestTenants:
    async def test_runs_of_one_box_share_a_process_and_runs_of_two_do_not(self, engine_of: EngineOf) -> None:
        engine = engine_of(EngineLimits())
        for box in ("one", "one", "two"):
            await engine.run(job(returning("1"), box=box), FilesHost())
        served = sorted((owner.box, worker.requests) for worker, (owner, _) in engine._idle.items())
        assert served == [("one", 2), ("two", 1)]

    async def test_the_least_recently_used_process_ends_when_there_are_too_many(self, engine_of: EngineOf) -> None:
        engine = engine_of(EngineLimits(workers=2))
        for box in ("one", "two", "one", "three"):
            await engine.run(job(returning("1"), box=box), FilesHost())
        assert [owner.box for owner, _ in engine._idle.values()] == ["one", "three"]

    async def test_a_process_ends_after_its_share_of_requests(self, engine_of: EngineOf) -> None:
        engine = engine_of(EngineLimits(requests_per_worker=2))
        for _ in range(2):
            await engine.run(job(returning("1")), FilesHost())
        assert not engine._idle

    async def test_an_idle_process_ends_after_its_time(self, engine_of: EngineOf) -> None:
        engine = engine_of(EngineLimits(idle_s=0))
        await engine.run(job(returning("1")), FilesHost())
        async with asyncio.timeout(10):
            while engine._idle:
                await asyncio.sleep(0)

    async def test_a_busy_cell_waits_and_leaves_the_others_alone(self, engine_of: EngineOf) -> None:
        engine = engine_of(EngineLimits(workers=2, per_cell_concurrency=1, wall_s=20))
        entered, leave = asyncio.Event(), asyncio.Event()

        class Slow(FilesHost):
            async def call(self, call: HostCall) -> JsonValue:
                entered.set()
                await leave.wait()
                return ""

        reading = returning("_p.localbox().getString('f')")
        first = asyncio.create_task(engine.run(job(reading, cell="busy"), Slow()))
        await entered.wait()
        second = asyncio.create_task(engine.run(job(returning("2"), cell="busy"), FilesHost()))
        assert text_of(await engine.run(job(returning("3"), cell="other"), FilesHost())) == "3"
        assert not second.done()
        leave.set()
        assert [text_of(await first), text_of(await second)] == ['""', "2"]

    async def test_waiting_for_a_place_ends_at_the_deadline_with_too_many_requests(self, engine_of: EngineOf) -> None:
        engine = engine_of(EngineLimits(per_cell_concurrency=1, wall_s=1))

        class Endless(FilesHost):
            async def call(self, call: HostCall) -> JsonValue:
                await asyncio.Event().wait()
                raise Refusal(LACKS_PRIVILEGE)

        runs = [
            asyncio.create_task(engine.run(job(returning("_p.localbox().getString('f')")), Endless()))
            for _ in range(2)
        ]
        first, second = await asyncio.gather(*runs, return_exceptions=True)
        assert isinstance(first, ScriptTimedOut)
        assert isinstance(second, Refusal)
        assert second.kind is TOO_MANY_REQUESTS
