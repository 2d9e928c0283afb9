"""The snapshot area, exports and imports, on a real store."""

from __future__ import annotations

import asyncio
import re
import zipfile
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from alveary.errors import (
    AUTH_REQUIRED,
    CELL_LOCKED,
    ETAG_MISMATCH,
    JOB_CUT,
    NO_SUCH_RESOURCE,
    SNAPSHOT_ENTRY_MISSING,
    SNAPSHOT_EXISTS,
    SNAPSHOT_NOT_ZIP,
    SNAPSHOT_UNREADABLE,
    SNAPSHOT_VERSION,
    TOO_MANY_CHILDREN,
    Kind,
    Refusal,
)
from alveary.model.acl import ALL, EMPTY, Ace
from alveary.model.cell import CellStatus
from alveary.model.entities import Entity, EntityKind
from alveary.model.names import SnapshotFileName, SnapshotName
from alveary.model.privileges import BoxPrivilege
from alveary.model.tree import Node, NodeKind
from alveary.usecases import exports, imports, snapshots
from alveary.usecases.access import Access, Who
from alveary.usecases.imports import ImportFailure
from alveary.wire.etags import Precondition
from tests.snapshot_unit import ALWAYS, COUNTS, FIXTURE, SnapshotUnit, entry, fixture_with, opened, pieces, unread

ZIP = SnapshotFileName("some.zip")
BOX = "6Jt_oHTsS0CHAi1bDCrnhw"
TREE = f"20_webdav/{BOX}"


@pytest.fixture
async def unit(tmp_path: Path) -> AsyncIterator[SnapshotUnit]:
    async with opened(tmp_path / "data") as made:
        yield made


@pytest.fixture
async def cell(unit: SnapshotUnit) -> Access:
    return await unit.cell("cell")


async def refusal_of(call: Any) -> Kind:
    with pytest.raises(Refusal) as caught:
        await call
    assert caught.value.text
    return caught.value.kind


async def put(unit: SnapshotUnit, access: Access, body: Any, expect: Precondition = ALWAYS) -> Any:
    return await snapshots.put(unit.ports, access, ZIP, body, media_type="text/x", expect=expect)


async def an_entity(unit: SnapshotUnit, access: Access, name: str, kind: EntityKind = EntityKind.RELATION) -> None:
    async def add(tx: Any) -> None:
        await tx.entities.add(Entity(unit.ports.ids.new(), kind, "", name, 1, 5, 5, {"Name": name}))

    await unit.ports.store.contents(access.here).write(add)


class TestTheArea:
    async def test_a_file_is_created_replaced_listed_read_and_deleted(self, unit: SnapshotUnit, cell: Access) -> None:
        first = await put(unit, cell, pieces(b"one", b" and two"))
        assert first.created
        assert await unit.bytes_of(cell, ZIP) == b"one and two"
        second = await put(unit, cell, pieces(b"x" * 100_000))
        assert not second.created
        assert second.etag.version == first.etag.version + 1
        (file,) = await unit.files(cell)
        assert (file.name, file.media_type, file.content.size_bytes) == (ZIP, "text/x", 100_000)
        await snapshots.delete(unit.ports, cell, ZIP, expect=ALWAYS)
        assert await unit.files(cell) == []
        assert await refusal_of(snapshots.get(unit.ports, cell, ZIP)) is NO_SUCH_RESOURCE
        assert await refusal_of(snapshots.delete(unit.ports, cell, ZIP, expect=ALWAYS)) is NO_SUCH_RESOURCE

    async def test_a_file_made_again_under_its_name_never_has_an_old_etag(
        self, unit: SnapshotUnit, cell: Access
    ) -> None:
        etags = set()
        for _ in range(5):
            etags.add(str((await put(unit, cell, pieces(b"x"))).etag))
            await snapshots.delete(unit.ports, cell, ZIP, expect=ALWAYS)
        assert len(etags) == 5

    async def test_the_privilege_is_asked_for_before_anything_else(self, unit: SnapshotUnit, cell: Access) -> None:
        nobody = Access(cell.here, Who.ANONYMOUS, frozenset(), EMPTY)
        name = SnapshotName("some")
        for call in (
            put(unit, nobody, unread()),
            snapshots.get(unit.ports, nobody, ZIP),
            snapshots.delete(unit.ports, nobody, ZIP, expect=ALWAYS),
            snapshots.list_files(unit.ports, nobody),
            exports.start(unit.ports, nobody, None),
            exports.find(unit.ports, nobody),
            imports.start(unit.ports, nobody, name),
            imports.find(unit.ports, nobody),
            imports.acknowledge(unit.ports, nobody),
        ):
            assert await refusal_of(call) is AUTH_REQUIRED

    async def test_what_does_not_match_is_refused_before_the_body_is_read(
        self, unit: SnapshotUnit, cell: Access
    ) -> None:
        other = Precondition.parse('"9-9"')
        assert await refusal_of(put(unit, cell, unread(), other)) is ETAG_MISMATCH
        saved = await put(unit, cell, pieces(b"x"), Precondition.parse("*"))
        assert await refusal_of(put(unit, cell, unread(), other)) is ETAG_MISMATCH
        assert await refusal_of(snapshots.delete(unit.ports, cell, ZIP, expect=other)) is ETAG_MISMATCH
        again = await put(unit, cell, pieces(b"y"), Precondition.parse(str(saved.etag)))
        assert not again.created

    async def test_of_writers_who_saw_the_same_version_one_wins(self, unit: SnapshotUnit, cell: Access) -> None:
        seen = Precondition.parse(str((await put(unit, cell, pieces(b"x"))).etag))
        writers = [put(unit, cell, pieces(b"%d" % number), seen) for number in range(8)]
        outcomes = await asyncio.gather(*writers, return_exceptions=True)
        assert sum(not isinstance(each, Refusal) for each in outcomes) == 1

    async def test_the_last_file_that_fits_is_taken_and_the_next_refused(self, tmp_path: Path) -> None:
        async with opened(tmp_path / "small", children=2) as unit:
            cell = await unit.cell("cell")
            await unit.upload(cell, b"1", "one")
            await unit.upload(cell, b"2", "two")
            await unit.upload(cell, b"3", "two")
            assert await refusal_of(put(unit, cell, unread())) is TOO_MANY_CHILDREN
            assert await refusal_of(exports.start(unit.ports, cell, None)) is TOO_MANY_CHILDREN
            assert await exports.find(unit.ports, cell) is None

    async def test_an_upload_that_is_cut_leaves_the_old_file(self, unit: SnapshotUnit, cell: Access) -> None:
        async def cut() -> AsyncIterator[bytes]:
            yield b"y" * 100_000
            raise ConnectionError

        await put(unit, cell, pieces(b"x" * 100_000))
        with pytest.raises(ConnectionError):
            await put(unit, cell, cut())
        assert await unit.bytes_of(cell, ZIP) == b"x" * 100_000


class TestExport:
    async def test_the_default_name_tells_cell_and_time(self, unit: SnapshotUnit, cell: Access) -> None:
        job = await exports.start(unit.ports, cell, None)
        assert re.fullmatch(r"cell_\d{8}_\d{6}", job.name)
        await unit.idle(cell)
        (file,) = await unit.files(cell)
        assert (file.name, file.media_type) == (f"{job.name}.zip", "application/zip")

    async def test_a_name_that_is_taken_or_promised_is_refused(self, tmp_path: Path) -> None:
        async with opened(tmp_path / "waiting", places=0) as unit:
            cell = await unit.cell("cell")
            await unit.upload(cell, b"", "taken")
            assert await refusal_of(exports.start(unit.ports, cell, SnapshotName("taken"))) is SNAPSHOT_EXISTS
            await exports.start(unit.ports, cell, SnapshotName("some"))
            assert await refusal_of(exports.start(unit.ports, cell, SnapshotName("some"))) is SNAPSHOT_EXISTS
            assert await refusal_of(put(unit, cell, unread())) is SNAPSHOT_EXISTS

    async def test_a_cell_has_one_job_at_a_time(self, tmp_path: Path) -> None:
        async with opened(tmp_path / "waiting", places=0) as unit:
            cell, other = await unit.cell("cell"), await unit.cell("other")
            await unit.upload(cell, FIXTURE.read_bytes(), "there")
            await exports.start(unit.ports, cell, SnapshotName("one"))
            assert await refusal_of(exports.start(unit.ports, cell, SnapshotName("two"))) is CELL_LOCKED
            assert await refusal_of(imports.start(unit.ports, cell, SnapshotName("there"))) is CELL_LOCKED
            await exports.start(unit.ports, other, SnapshotName("one"))
            await an_entity(unit, cell, "writers are not stopped")

    async def test_success_leaves_the_snapshot_and_an_event_and_takes_an_older_failure_away(
        self, unit: SnapshotUnit, cell: Access
    ) -> None:
        await snapshots.put(
            unit.ports, cell, SnapshotFileName("made.error"), pieces(b"{}"), media_type="x/y", expect=ALWAYS
        )
        await unit.save(cell)
        assert [file.name for file in await unit.files(cell)] == ["made.zip"]
        assert await exports.find(unit.ports, cell) is None
        (event,) = await unit.events(cell)
        assert (event["Type"], event["Object"]) == ("cell.export", "personium-localcell:/__export")

    async def test_failure_leaves_a_file_that_tells_it_and_no_snapshot(
        self, unit: SnapshotUnit, cell: Access
    ) -> None:
        loaded = await unit.load(cell, FIXTURE.read_bytes())
        blobs = unit.ports.store.contents(loaded.here).blobs
        for node, _ in (await unit.dump(loaded))["tree"].values():
            if node.name == "big.bin":
                lost = node

        async def find(tx: Any) -> Any:
            return (await tx.nodes.locate("box1", ("docs", "sub", lost.name))).node.content

        content = await unit.ports.store.contents(loaded.here).read(find)
        blobs.delete([content.blob])
        for _ in range(2):
            await exports.start(unit.ports, loaded, SnapshotName("made"))
            await unit.idle(loaded)
        names = [file.name for file in await unit.files(loaded)]
        assert names == ["made.error", "there.zip"]
        told = orjson.loads(await unit.bytes_of(loaded, "made.error"))
        assert told["code"] == "PR500-SV-9999"
        assert told["message"]["lang"] == "en"
        assert re.search(r"\[([0-9a-f]{32})\]", told["message"]["value"])[1] in unit.log.getvalue()  # type: ignore[index]

    async def test_a_snapshot_is_of_one_moment_while_writers_go_on(self, unit: SnapshotUnit, cell: Access) -> None:
        contents = unit.ports.store.contents(cell.here)

        async def pair(number: int) -> None:
            async def add(tx: Any) -> None:
                for kind in (EntityKind.RELATION, EntityKind.ROLE):
                    name = f"n{number}"
                    await tx.entities.add(Entity(unit.ports.ids.new(), kind, "", name, 1, 5, 5, {"Name": name}))

            await contents.write(add)

        for number in range(300):
            await pair(number)
        await exports.start(unit.ports, cell, SnapshotName("made"))
        number = 300
        while await exports.find(unit.ports, cell):
            await pair(number)
            number += 1
        archive = await unit.bytes_of(cell, "made.zip")
        relations = entry("10_odata/22_relation.pjson", archive).count(b"\n")
        assert number > 300
        assert relations == entry("10_odata/20_role.pjson", archive).count(b"\n") >= 300

    async def test_a_cell_that_is_deleted_meanwhile_ends_its_export(self, unit: SnapshotUnit, cell: Access) -> None:
        await exports.start(unit.ports, cell, SnapshotName("made"))
        await unit.registry.drop(cell.here.id, lambda _: None)
        await unit.jobs.close()
        assert "job failed" not in unit.log.getvalue()


class TestImport:
    async def test_all_that_personium_wrote_is_stored(self, unit: SnapshotUnit, cell: Access) -> None:
        loaded = await unit.load(cell, FIXTURE.read_bytes())
        assert loaded.here.status is CellStatus.NORMAL
        assert loaded.here.contents != cell.here.contents
        assert await unit.count(loaded) == COUNTS
        held = await unit.dump(loaded)
        entities = held["entities"].values()
        assert sum(len(one.refs) for one in entities if one.kind is EntityKind.USER_DATA) == 100
        control = Counter((link.type1, link.type2) for link in held["links"] if link.node is None)
        assert len(held["links"]) == 112
        assert control == {
            ("Account", "Role"): 5,
            ("ExtCell", "Relation"): 3,
            ("Relation", "Role"): 2,
            ("ExtCell", "Role"): 1,
            ("ExtRole", "Role"): 1,
        }
        files = {"/".join(path[1:]): data for path, (_, data) in held["tree"].items() if data is not None}
        assert files["docs/readme.txt"] == b"hello personium\n"
        assert files["docs/日本語フォルダ/日本語ファイル.txt"] == "こんにちは\n".encode()
        assert files["docs/sub/big.bin"] == bytes(range(256)) * 400
        assert files["docs/sub/empty.bin"] == b""
        assert len(files["docs/sub/deep/pixel.png"]) == 70
        assert files["plain/a.txt"] == b"a"
        assert len(files) == 12
        docs, _ = held["tree"][BOX, "docs"]
        assert Ace(ALL, (BoxPrivilege.READ,)) in docs.acl.aces
        (event,) = await unit.events(loaded)
        assert (event["Type"], event["Object"]) == ("cell.import", "personium-localcell:/__import")

    async def test_exported_and_imported_elsewhere_nothing_is_lost(
        self, unit: SnapshotUnit, cell: Access, tmp_path: Path
    ) -> None:
        loaded = await unit.load(cell, FIXTURE.read_bytes())
        archive = await unit.save(loaded)
        before = await unit.dump(loaded)
        for name in ("second", "third"):
            other = await unit.load(await unit.cell(name), archive)
            assert await unit.dump(other) == before
        async with opened(tmp_path / "elsewhere") as far:
            other = await far.load(await far.cell("fourth"), archive)
            assert await far.dump(other) == before
            assert [each.name for each in await far.files(other)] == ["there.zip"]

    async def test_urls_of_the_cell_follow_it(self, unit: SnapshotUnit, cell: Access) -> None:
        async def add(tx: Any) -> None:
            for key in ("personium-localunit:cell:/", "personium-localunit:stranger:/"):
                await tx.entities.add(
                    Entity(unit.ports.ids.new(), EntityKind.EXT_CELL, "", key, 1, 5, 5, {"Url": key})
                )

        await unit.ports.store.contents(cell.here).write(add)
        other = await unit.load(await unit.cell("other"), await unit.save(cell))
        keys = {one.key for one in (await unit.dump(other))["entities"].values()}
        assert keys == {"personium-localunit:other:/", "personium-localunit:stranger:/"}

    async def test_what_was_there_is_gone_and_what_was_not_told_is_kept(
        self, unit: SnapshotUnit, cell: Access
    ) -> None:
        archive = await unit.save(cell)
        await an_entity(unit, cell, "replaced")
        loaded = await unit.load(cell, archive)
        assert await unit.count(loaded) == dict.fromkeys(COUNTS, 0)
        assert [event["Type"] for event in await unit.events(loaded)] == ["cell.export", "cell.import"]

    async def test_a_box_that_was_never_used_has_a_node_afterwards(self, unit: SnapshotUnit, cell: Access) -> None:
        missing = dict.fromkeys(_entries_below("20_webdav/W9NMp1C3QtSgPzBxXammkA/"))
        loaded = await unit.load(cell, fixture_with({**missing, "20_webdav/__/.pmeta": None, **_no_profile()}))
        assert loaded.here.status is CellStatus.NORMAL

        async def locate(tx: Any) -> list[bool]:
            return [(await tx.nodes.locate(box, ())).node is not None for box in ("box1", "box2", "__")]

        assert await unit.ports.store.contents(loaded.here).read(locate) == [True] * 3

    async def test_links_that_lead_nowhere_are_kept(self, unit: SnapshotUnit, cell: Access) -> None:
        stray = entry("10_odata/80_link.pjson").splitlines()[0].replace(b'"k2":"', b'"k2":"gone')
        ends = entry("10_odata/60_associationend.pjson").replace(b'"AssociationEnd":"', b'"AssociationEnd":"gone')
        changed = {
            "10_odata/80_link.pjson": entry("10_odata/80_link.pjson") + stray,
            "10_odata/60_associationend.pjson": ends,
        }
        loaded = await unit.load(cell, fixture_with(changed))
        assert loaded.here.status is CellStatus.NORMAL
        held = await unit.dump(loaded)
        assert len(held["links"]) == 113
        again = await unit.load(await unit.cell("again"), await unit.save(loaded))
        assert await unit.dump(again) == held

    async def test_reads_go_on_and_writes_are_refused_until_the_end(self, tmp_path: Path) -> None:
        async with opened(tmp_path / "waiting", places=0) as unit:
            cell = await unit.cell("cell")
            await unit.upload(cell, FIXTURE.read_bytes())
            job = await imports.start(unit.ports, cell, SnapshotName("there"))
            assert await imports.find(unit.ports, cell) == job
            assert await refusal_of(an_entity(unit, cell, "late")) is CELL_LOCKED
            assert await refusal_of(put(unit, cell, unread())) is CELL_LOCKED
            assert await refusal_of(snapshots.delete(unit.ports, cell, ZIP, expect=ALWAYS)) is CELL_LOCKED
            assert await refusal_of(exports.start(unit.ports, cell, None)) is CELL_LOCKED
            assert await refusal_of(imports.start(unit.ports, cell, SnapshotName("there"))) is CELL_LOCKED
            assert await refusal_of(imports.acknowledge(unit.ports, cell)) is CELL_LOCKED
            assert await unit.count(cell) == dict.fromkeys(COUNTS, 0)


def _entries_below(prefix: str) -> list[str]:
    with zipfile.ZipFile(FIXTURE) as source:
        return [name for name in source.namelist() if name.startswith(prefix) and not name.endswith("/")]


def _no_profile() -> dict[str, None]:
    return dict.fromkeys(_entries_below("20_webdav/__/profile.json/"))


def _meta(path: str, /, **members: Any) -> dict[str, bytes]:
    return {path: orjson.dumps({**orjson.loads(entry(path)), **members})}


README = f"{TREE}/docs/readme.txt"

REFUSED_AT_ONCE: dict[str, tuple[bytes, Kind]] = {
    "no archive": (b"not a zip at all", SNAPSHOT_NOT_ZIP),
    "nothing": (b"", SNAPSHOT_NOT_ZIP),
    "cut": (FIXTURE.read_bytes()[:-100], SNAPSHOT_NOT_ZIP),
    "too many entries": (fixture_with({f"more/{number}": b"" for number in range(200)}), SNAPSHOT_NOT_ZIP),
    "a path that leads outside": (fixture_with({"20_webdav/../../x/content": b""}), SNAPSHOT_UNREADABLE),
    "an absolute path": (fixture_with({"/etc/passwd": b""}), SNAPSHOT_UNREADABLE),
    "another version": (
        fixture_with({"00_manifest.json": b'{"export_version":1,"unit_url":"http://u/","create_date":1}'}),
        SNAPSHOT_VERSION,
    ),
    "no version": (fixture_with({"00_manifest.json": b"{}"}), SNAPSHOT_VERSION),
    "a broken manifest": (fixture_with({"00_manifest.json": b"{"}), SNAPSHOT_UNREADABLE),
    "no manifest": (fixture_with({"00_manifest.json": None}), SNAPSHOT_ENTRY_MISSING),
    "no links": (fixture_with({"10_odata/80_link.pjson": None}), SNAPSHOT_ENTRY_MISSING),
    "no cell": (fixture_with({"10_odata/00_cell.json": b"{}"}), SNAPSHOT_UNREADABLE),
}

REFUSED_LATER: dict[str, dict[str, bytes | None]] = {
    "a broken line": {"10_odata/20_role.pjson": entry("10_odata/20_role.pjson") + b"{"},
    "another kind": {"10_odata/20_role.pjson": entry("10_odata/21_rule.pjson")},
    "an entity twice": {"10_odata/20_role.pjson": entry("10_odata/20_role.pjson") * 2},
    "a key twice": {
        "10_odata/11_account.pjson": entry("10_odata/11_account.pjson").replace(b'"Name":"bob"', b'"Name":"alice"')
    },
    "no key": {
        "10_odata/11_account.pjson": entry("10_odata/11_account.pjson").replace(b'"Name":"bob"', b'"X":"bob"')
    },
    "a box under a reserved name": {
        "10_odata/10_box.pjson": entry("10_odata/10_box.pjson").replace(b'"Name":"box1"', b'"Name":"__ctl"')
    },
    "a property of nothing": {
        "10_odata/50_property.pjson": entry("10_odata/50_property.pjson").replace(b'"EntityType"', b'"Other"')
    },
    "a time beyond all calendars": {
        "10_odata/22_relation.pjson": entry("10_odata/22_relation.pjson").replace(b'"p":', b'"p":99999')
    },
    "no metadata of the cell": {"20_webdav/.pmeta": None},
    "no metadata of a collection": {f"{TREE}/docs/.pmeta": None},
    "no metadata of a file": {f"{README}/.pmeta": None},
    "no bytes": {f"{README}/content": None},
    "other bytes than declared": {f"{README}/content": b"longer than the metadata says"},
    "an encrypted file": _meta(f"{README}/.pmeta", et="AES"),
    "a tree of nothing": {"20_webdav/unknown/.pmeta": entry("20_webdav/__/.pmeta")},
    "an id twice": _meta(f"{README}/.pmeta", i=orjson.loads(entry(f"{TREE}/top.html/.pmeta"))["i"]),
    "a name twice": _meta(f"{TREE}/top.html/.pmeta", name="docs"),
    "a name with a slash": _meta(f"{TREE}/top.html/.pmeta", name="../../up"),
    "a box within a box": _meta(f"{TREE}/docs/.pmeta", t="col.box"),
    "a file above others": _meta(f"{TREE}/docs/.pmeta", t="dav.file", cl=0),
    "an unknown kind": _meta(f"{TREE}/docs/.pmeta", t="col.other"),
    "an ACL that denies": _meta(f"{TREE}/docs/.pmeta", a={"D.ace": [{"D.deny": {}}]}),
    "an ACL of more entries than are allowed": _meta(
        f"{TREE}/docs/.pmeta",
        a={"D.ace": [{"D.principal": {"D.all": ""}, "D.grant": {"D.privilege": {"D.read": {}}}}] * 1_001},
    ),
    "more properties than are allowed": _meta(
        f"{TREE}/docs/.pmeta", d={f"p{number}@urn:z": f'<p{number} xmlns="urn:z"/>' for number in range(1_001)}
    ),
    "a version beyond all": _meta(f"{README}/.pmeta", v=1 << 62),
    "collections too deep": {
        f"{TREE}/" + "/".join(f"d{level}" for level in range(depth)) + "/.pmeta": orjson.dumps(
            {"i": f"deep{depth}", "t": "col.webdav", "p": 1, "u": 1, "v": 1, "a": {}, "d": {}}
        )
        for depth in range(1, 52)
    },
}


class TestBadSnapshots:
    @pytest.mark.parametrize("what", REFUSED_AT_ONCE)
    async def test_refused_at_once_nothing_is_changed(self, tmp_path: Path, what: str) -> None:
        archive, kind = REFUSED_AT_ONCE[what]
        async with opened(tmp_path / "data", snapshot_entries=150) as unit:
            cell = await unit.cell("cell")
            await an_entity(unit, cell, "old")
            await unit.upload(cell, archive)
            assert await refusal_of(imports.start(unit.ports, cell, SnapshotName("there"))) is kind
            assert await imports.find(unit.ports, cell) is None
            assert (await unit.now(cell)).here == cell.here
            await an_entity(unit, cell, "the lock is gone")

    async def test_one_that_is_not_there_is_refused_at_once(self, unit: SnapshotUnit, cell: Access) -> None:
        assert await refusal_of(imports.start(unit.ports, cell, SnapshotName("none"))) is NO_SUCH_RESOURCE
        assert unit.ports.store.locked(cell.here) is None

    @pytest.mark.parametrize("what", REFUSED_LATER)
    async def test_found_bad_later_the_old_contents_stay_and_the_cell_says_so(
        self, unit: SnapshotUnit, cell: Access, tmp_path: Path, what: str
    ) -> None:
        await an_entity(unit, cell, "old")
        before = await unit.dump(cell)
        failed = await unit.load(cell, fixture_with(REFUSED_LATER[what]))
        assert failed.here.status is CellStatus.IMPORT_FAILED
        assert failed.here.contents == cell.here.contents
        told = await imports.find(unit.ports, failed)
        assert isinstance(told, ImportFailure)
        assert (told.name, told.code) == ("there", SNAPSHOT_UNREADABLE.code), told.text
        assert await unit.dump(failed) == before
        folder = tmp_path / "data" / "cells" / cell.here.id / "contents"
        assert [each.name for each in folder.iterdir()] == [cell.here.contents]
        await an_entity(unit, failed, "the lock is gone")

    async def test_a_repeated_import_recovers_the_cell(self, unit: SnapshotUnit, cell: Access) -> None:
        failed = await unit.load(cell, fixture_with({f"{README}/content": None}))
        assert failed.here.status is CellStatus.IMPORT_FAILED
        healed = await unit.load(failed, FIXTURE.read_bytes())
        assert (healed.here.status, healed.here.failure) == (CellStatus.NORMAL, None)
        assert await unit.count(healed) == COUNTS

    async def test_an_acknowledged_failure_leaves_the_old_contents_in_service(
        self, unit: SnapshotUnit, cell: Access
    ) -> None:
        await an_entity(unit, cell, "old")
        failed = await unit.load(cell, fixture_with({f"{README}/content": None}))
        await imports.acknowledge(unit.ports, failed)
        healed = await unit.now(cell)
        assert (healed.here.status, healed.here.failure) == (CellStatus.NORMAL, None)
        assert await imports.find(unit.ports, healed) is None
        assert (await unit.count(healed))["Relation"] == 1


class TestRestarts:
    async def test_an_export_that_was_cut_is_made_at_the_next_start(self, tmp_path: Path) -> None:
        async with opened(tmp_path / "data", places=0) as unit:
            cell = await unit.cell("cell")
            await an_entity(unit, cell, "kept")
            await exports.start(unit.ports, cell, SnapshotName("made"))
        async with opened(tmp_path / "data") as unit:
            await unit.idle(cell)
            assert entry("10_odata/22_relation.pjson", await unit.bytes_of(cell, "made.zip")).count(b"\n") == 1

    async def test_an_import_that_was_cut_has_failed_at_the_next_start(self, tmp_path: Path) -> None:
        async with opened(tmp_path / "data") as unit:
            cell = await unit.cell("cell")
            await an_entity(unit, cell, "old")
            await unit.upload(cell, FIXTURE.read_bytes())
            await imports.start(unit.ports, cell, SnapshotName("there"))
            await unit.jobs.close()
        async with opened(tmp_path / "data") as unit:
            failed = await unit.now(cell)
            assert failed.here.status is CellStatus.IMPORT_FAILED
            told = await imports.find(unit.ports, failed)
            assert isinstance(told, ImportFailure)
            assert told.code == JOB_CUT.code
            assert (await unit.count(failed))["Relation"] == 1
            healed = await unit.load(failed, FIXTURE.read_bytes())
            assert await unit.count(healed) == COUNTS

    async def test_an_import_whose_contents_are_in_service_is_done_at_the_next_start(self, tmp_path: Path) -> None:
        async with opened(tmp_path / "data", places=0) as unit:
            cell = await unit.cell("cell")
            await unit.upload(cell, FIXTURE.read_bytes())
            await imports.start(unit.ports, cell, SnapshotName("there"))
            async with unit.ports.store.build(cell.here) as build:
                await build.fill(_a_root)
                await build.swap()
        async with opened(tmp_path / "data") as unit:
            done = await unit.now(cell)
            assert done.here.status is CellStatus.NORMAL
            assert await imports.find(unit.ports, done) is None


async def _a_root(tx: Any) -> None:
    await tx.nodes.add(Node("root", "", "", NodeKind.CELL, 1, 1, 1))
