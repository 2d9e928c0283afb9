"""Service scripts on a real store: routes, sources, and files read and written under the caller's rights."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alveary.adapters.blobs.files import BlobLimits
from alveary.adapters.engine.pool import ScriptEngine
from alveary.adapters.machine import SystemClock, SystemIds
from alveary.adapters.sqlite.registry import SqliteRegistry
from alveary.adapters.sqlite.store import StoreSettings
from alveary.config import Config
from alveary.errors import AUTH_REQUIRED, LACKS_PRIVILEGE, METHOD_NOT_ALLOWED, Refusal
from alveary.model.acl import EMPTY, Ace, Acl
from alveary.model.cell import Cell, CellStatus
from alveary.model.names import CellName
from alveary.model.privileges import BoxPrivilege
from alveary.model.tree import NodeKind
from alveary.obs import open_log
from alveary.ports import Ports
from alveary.ports.engine import EngineLimits
from alveary.ports.store import WriteTx
from alveary.usecases import files, scripts
from alveary.usecases.access import Access, BoxPath, ContentsRole, Who
from alveary.usecases.scripts import ScriptReply
from alveary.wire.etags import Precondition
from alveary.wire.service_routes import PROPERTY
from tests.ports import ports_over
from tests.script_host import job

CELL_URL = "https://unit.example/cell/"
ANY = Precondition.parse("*")


async def piecewise(data: bytes, step: int = 7) -> AsyncIterator[bytes]:
    for at in range(0, len(data), step):
        yield data[at : at + step]


@dataclass
class Unit:
    """A cell with a service collection ``svc`` in its main box."""

    ports: Ports
    admin: Access
    said: list[tuple[str, str]]

    async def put(self, path: str, data: bytes) -> None:
        where = BoxPath("__", tuple(path.split("/")))
        await files.put(self.ports, self.admin, files.Put(where, "text/plain", ANY), piecewise(data))

    async def read(self, path: str) -> bytes:
        found = await files.get(self.ports, self.admin, BoxPath("__", tuple(path.split("/"))))
        assert isinstance(found, files.OpenFile)
        blobs = self.ports.store.contents(self.admin.here).blobs
        return b"".join([piece async for piece in blobs.read(found.content)])

    async def change(self, path: str, **changes: Any) -> None:
        async def save(tx: WriteTx) -> None:
            node = (await tx.nodes.locate("__", tuple(path.split("/")))).node
            assert node is not None
            await tx.nodes.save(replace(node, **changes))

        await self.ports.store.contents(self.admin.here).write(save)

    async def route(self, source: str, path: str = "run") -> None:
        await self.put("svc/__src/run.js", source.encode())
        paths = f'<p:path name="{path}" src="run.js"/><p:path name="gone" src="none.js"/>'
        element = f'<p:service xmlns:p="urn:x-personium:xmlns" language="JavaScript">{paths}</p:service>'
        await self.change("svc", properties={PROPERTY: element})

    async def call(self, path: str = "svc/run", body: bytes = b"", access: Access | None = None) -> ScriptReply:
        return await scripts.execute(
            self.ports,
            access or self.admin,
            BoxPath("__", tuple(path.split("/"))),
            job("").request,
            piecewise(body),
            lambda level, text: self.said.append((level, text)),
        )


async def bytes_of(reply: ScriptReply) -> bytes:
    if isinstance(reply.body, bytes):
        return reply.body
    return b"".join([piece async for piece in reply.body])


def returning(expression: str) -> str:
    return f"function (request) {{ return {{status: 200, body: [JSON.stringify({expression})]}}; }}"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[SqliteRegistry]:
    settings = StoreSettings(tmp_path, BlobLimits(disk_reserve_percent=0))
    yield SqliteRegistry(settings, clock=SystemClock(), ids=SystemIds())


@pytest.fixture
async def unit(registry: SqliteRegistry) -> AsyncIterator[Unit]:
    engine = ScriptEngine(EngineLimits(js_time_s=5), lambda text: None)
    ports = ports_over(registry, engine=engine, log=open_log(level="error", form="json", stream=io.StringIO()))
    fresh = Cell(SystemIds().new(), CellName("cell"), None, CellStatus.NORMAL, "", 1, 0, 0)
    cell = await registry.create(fresh)
    admin = Access(cell, Who.UNIT_ADMIN, frozenset(), EMPTY, contents_role=ContentsRole.ADMIN)
    made = Unit(ports, admin, [])
    await files.make_collection(ports, admin, BoxPath("__", ("svc",)), NodeKind.SERVICE)
    yield made
    await engine.close()
    await registry.close()


class TestRoutes:
    async def test_a_request_runs_the_script_of_its_route(self, unit: Unit) -> None:
        await unit.route(returning("request.method"), "items/{id}")
        reply = await unit.call("svc/items/5")
        assert (reply.status, await bytes_of(reply)) == (200, b'"GET"')

    async def test_no_route_no_property_and_no_source_are_404_in_html(self, unit: Unit) -> None:
        replies = [await unit.call()]
        await unit.route(returning("1"))
        replies += [await unit.call("svc/other"), await unit.call("svc/gone")]
        assert [reply.status for reply in replies] == [404] * 3
        assert all(reply.headers == (("Content-Type", "text/html;charset=UTF-8"),) for reply in replies)

    async def test_the_collection_itself_and_other_collections_are_not_executed(self, unit: Unit) -> None:
        for path in ("svc", "svc/__src"):
            with pytest.raises(Refusal) as refused:
                await unit.call(path)
            assert refused.value.kind is METHOD_NOT_ALLOWED

    async def test_a_changed_source_is_what_runs_next(self, unit: Unit) -> None:
        for answer in ("1", "2"):
            await unit.route(returning(answer))
            assert await bytes_of(await unit.call()) == answer.encode()

    async def test_a_failure_is_500_and_its_message_cannot_carry_html(self, unit: Unit) -> None:
        await unit.route("function (r) { throw new Error('<script>'); }")
        reply = await unit.call()
        assert (reply.status, reply.body) == (500, b"Server Error : Error: &lt;script&gt;")

    async def test_a_bad_template_is_503(self, unit: Unit) -> None:
        await unit.route(returning("1"), "{")
        assert (await unit.call()).status == 503


class TestRights:
    async def test_executing_needs_exec_and_nothing_else(self, unit: Unit) -> None:
        await unit.route(returning("1"))
        anyone = replace(
            unit.admin, who=Who.ANONYMOUS, contents_role=ContentsRole.NONE, principals=frozenset({"all"})
        )
        with pytest.raises(Refusal) as refused:
            await unit.call(access=anyone)
        assert refused.value.kind is AUTH_REQUIRED
        await unit.change("svc", acl=Acl((Ace("all", (BoxPrivilege.EXEC,)),)))
        assert (await unit.call(access=anyone)).status == 200

    async def test_a_script_may_do_what_its_caller_may_and_no_more(self, unit: Unit) -> None:
        await unit.put("secret.txt", b"secret")
        attempts = [
            "getString('secret.txt')", "getStream('secret.txt')", "put('new.txt', 'text/plain', 'x')",
            "del('secret.txt')", "mkCol('new')", "getFileList()",
        ]  # fmt: skip
        tried = ", ".join(f"function () {{ _p.localbox().{attempt} }}" for attempt in attempts)
        await unit.route(
            returning(f"[{tried}].map(function (f) {{ try {{ f(); return 0 }} catch (e) {{ return e.code }} }})")
        )
        await unit.change("svc", acl=Acl((Ace("all", (BoxPrivilege.EXEC,)),)))
        caller = replace(unit.admin, who=Who.ACCOUNT, contents_role=ContentsRole.NONE, principals=frozenset({"all"}))
        assert json.loads(await bytes_of(await unit.call(access=caller))) == [LACKS_PRIVILEGE.status] * 6
        assert await unit.read("secret.txt") == b"secret"


class TestFiles:
    async def test_a_script_writes_and_reads_files_of_its_box(self, unit: Unit) -> None:
        await unit.route("""function (request) {
            var box = _p.localbox();
            box.mkCol('dir');
            box.col('dir').put('%E6%97%A5 x.txt'.replace(' ', ''), 'text/plain', '日本', '*');
            box.put({path: 'dir/sjis.txt', contentType: 'text/plain', data: '語', charset: 'Shift_JIS'});
            box.put('copy.bin', 'application/octet-stream', request.input.stream());
            var files = box.col('dir').getFileList();
            var texts = files.map(function (url) {
                var charset = url.indexOf('sjis') < 0 ? 'utf-8' : 'Shift_JIS';
                return box.col('dir').getString(url.split('/').pop(), charset);
            });
            box.del('dir/sjis.txt');
            return {status: 201, body: [JSON.stringify([files, box.getColList(), texts, box.getPath()])]};
        }""")
        reply = await unit.call(body=bytes(range(256)))
        listed, collections, texts, path = json.loads(await bytes_of(reply))
        assert listed == [f"{CELL_URL}__/dir/sjis.txt", f"{CELL_URL}__/dir/%E6%97%A5x.txt"]
        assert collections == [f"{CELL_URL}__/dir", f"{CELL_URL}__/svc"]
        assert path == f"{CELL_URL}__/"
        assert await unit.read("copy.bin") == bytes(range(256))
        assert (await unit.read("dir/日x.txt")).decode() == "日本"
        assert texts == ["語", "日本"]

    async def test_a_stream_is_the_file_as_it_was_when_it_was_opened(self, unit: Unit) -> None:
        old, new = b"old" * 20_000, b"new" * 20_000
        await unit.put("large.bin", old)
        await unit.route("""function (request) {
            var stream = _p.localbox().getStream('large.bin');
            _p.localbox().getStream('large.bin');
            _p.localbox().put('large.bin', 'text/plain', request.input.stream());
            return {status: 200, headers: {'Content-Type': 'text/plain'}, body: ['<', stream, '>']};
        }""")
        reply = await unit.call(body=new)
        assert await bytes_of(reply) == b"<" + old + b">"
        assert await unit.read("large.bin") == new

    async def test_an_answer_that_nobody_reads_keeps_no_file_open(self, unit: Unit) -> None:
        await unit.put("large.bin", b"x" * 60_000)
        await unit.route("function (r) { return {status: 200, body: [_p.localbox().getStream('large.bin')]}; }")
        reply = await unit.call()
        assert not isinstance(reply.body, bytes)
        await reply.body.aclose()  # type: ignore[attr-defined]

    async def test_the_body_of_the_request_can_be_sent_back_unread(self, unit: Unit) -> None:
        await unit.route("function (r) { return {status: 200, body: [r.input, 'end']}; }")
        assert await bytes_of(await unit.call(body=b"\0\xff" * 100)) == b"\0\xff" * 100 + b"end"

    async def test_a_stream_can_be_sent_once_only(self, unit: Unit) -> None:
        await unit.route("function (r) { return {status: 200, body: [r.input, r.input.stream()]}; }")
        reply = await unit.call(body=b"x")
        assert reply.status == 500
        assert b"once only" in await bytes_of(reply)

    async def test_the_body_is_read_by_lines_and_the_rest_at_once(self, unit: Unit) -> None:
        await unit.route(
            "function (r) { var lines = [r.input.readLine('Shift_JIS'), r.input.readLine(), r.input.readAll()];"
            " return {status: 200, body: [JSON.stringify(lines.concat(r.input.readLine()))]}; }"
        )
        reply = await unit.call(body="日本\r\n\n語\nz".encode("shift_jis"))
        assert json.loads(await bytes_of(reply)) == ["日本", "", "語\nz", None]

    async def test_a_body_over_the_limit_is_413_inside_the_script(self, unit: Unit) -> None:
        unit.ports = replace(unit.ports, config=_with_frames_of(unit.ports.config, 1000))
        await unit.route("function (r) { try { r.input.readAll() } catch (e) { return {status: e.code, body: []} } }")
        assert (await unit.call(body=b"x" * 1001)).status == 413

    async def test_an_etag_that_no_longer_matches_is_412_and_keeps_the_file(self, unit: Unit) -> None:
        await unit.put("a.txt", b"old")
        await unit.route("""function (r) {
            try { _p.localbox().put('a.txt', 'text/plain', 'new', '"9-9"'); }
            catch (e) { return {status: e.code, body: []} }
        }""")
        assert (await unit.call()).status == 412
        assert await unit.read("a.txt") == b"old"

    async def test_a_media_type_that_would_break_a_header_is_400(self, unit: Unit) -> None:
        await unit.route("""function (r) {
            try { _p.localbox().put('a.txt', 'text/plain\\r\\nX-Evil: 1', 'x'); }
            catch (e) { return {status: e.code, body: []} }
        }""")
        assert (await unit.call()).status == 400

    async def test_a_run_cannot_open_files_without_end(self, unit: Unit) -> None:
        await unit.put("large.bin", b"x" * 60_000)
        await unit.route("""function (r) {
            var opened = 0;
            try { for (;;) { _p.localbox().getStream('large.bin'); opened++; } } catch (e) {}
            return {status: 200, body: [String(opened)]};
        }""")
        assert await bytes_of(await unit.call()) == str(scripts.OPEN_FILES).encode()

    async def test_no_path_leads_out_of_the_box(self, unit: Unit) -> None:
        paths = ["../x", "a/../../x", "%2e%2e/x", "/etc/passwd", "a%00", "%2fetc%2fpasswd"]
        await unit.route(
            returning(
                f"{json.dumps(paths)}.map(function (p) {{"
                " try { return _p.localbox().getString(p) } catch (e) { return e.code } })"
            )
        )
        assert set(json.loads(await bytes_of(await unit.call()))) <= {400, 403, 404}

    async def test_modules_come_from_the_source_collection(self, unit: Unit) -> None:
        await unit.put("svc/__src/m.js", b"exports.twice = function (n) { return 2 * n };")
        await unit.route(returning("require('m').twice(21)"))
        assert [await bytes_of(await unit.call()) for _ in range(2)] == [b"42", b"42"]

    async def test_the_console_is_heard(self, unit: Unit) -> None:
        await unit.route("function (r) { console.error('a', 1); return {status: 204, body: ['dropped']}; }")
        reply = await unit.call()
        assert (reply.status, reply.body, unit.said) == (204, b"", [("error", "a 1")])


def _with_frames_of(config: Config, frame_bytes: int) -> Config:
    script = msgspec.structs.replace(config.script, frame_bytes=frame_bytes)
    return msgspec.structs.replace(config, script=script)
