"""A unit with cells, a real store and a real job runner, for tests of exports and imports."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import orjson

from alveary import obs
from alveary.adapters.blobs.files import BlobLimits
from alveary.adapters.keys.scrypt import ScryptCost, ScryptPasswords
from alveary.adapters.machine import SystemClock, SystemIds
from alveary.adapters.memory.jobs import TaskJobs
from alveary.adapters.sqlite.registry import SqliteRegistry
from alveary.adapters.sqlite.store import StoreSettings
from alveary.config import Config, Limits
from alveary.model.acl import EMPTY
from alveary.model.cell import Cell, CellStatus
from alveary.model.entities import EntityKind
from alveary.model.keep import SnapshotFile
from alveary.model.names import CellName, SnapshotFileName, SnapshotName
from alveary.model.tree import Node, NodeKind
from alveary.ports import Ports
from alveary.usecases import exports, imports, snapshots
from alveary.usecases.access import Access, ContentsRole, Who
from alveary.usecases.recovery import resume
from alveary.wire.etags import Precondition
from alveary.wire.snapshot import layout
from tests.ports import ports_over

FIXTURE = Path(__file__).parent / "fixtures" / "personium-snapshot.zip"

COUNTS = {
    "Account": 6,
    "Role": 5,
    "Relation": 3,
    "ExtCell": 3,
    "ExtRole": 2,
    "Rule": 5,
    "Box": 2,
    "SentMessage": 3,
    "ReceivedMessage": 3,
    "EntityType": 4,
    "ComplexType": 2,
    "Property": 20,
    "ComplexTypeProperty": 6,
    "AssociationEnd": 8,
    "UserData": 200,
}
"""How many entities of each kind the cell held from which Personium made the fixture."""
ALWAYS = Precondition()
MAX_WAIT_S = 30


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def unread() -> AsyncIterator[bytes]:
    raise AssertionError("the body was read before it was known to be welcome")
    yield b""


def fixture_with(changes: Mapping[str, bytes | None]) -> bytes:
    """The fixture with other bytes in some entries, and without those that are None; new ones are added."""
    held = io.BytesIO()
    with zipfile.ZipFile(FIXTURE) as source, zipfile.ZipFile(held, "w") as target:
        entries = {name: source.read(name) for name in source.namelist() if not name.endswith("/")}
        for name, data in {**entries, **changes}.items():
            if data is not None:
                target.writestr(name, data)
    return held.getvalue()


def entry(name: str, archive: bytes | None = None) -> bytes:
    """An entry of *archive*, by default of the fixture."""
    with zipfile.ZipFile(io.BytesIO(archive) if archive else FIXTURE) as source:
        return source.read(name)


@dataclass
class SnapshotUnit:
    """A unit, asked by its administrator."""

    ports: Ports
    jobs: TaskJobs
    registry: SqliteRegistry
    log: io.StringIO

    async def cell(self, name: str) -> Access:
        """An administrator at a new cell of that name."""
        blank = Cell(self.ports.ids.new(), CellName(name), None, CellStatus.NORMAL, "", 1, 0, 0)
        return self.at(await self.registry.create(blank))

    def at(self, cell: Cell) -> Access:
        return Access(cell, Who.UNIT_ADMIN, frozenset(), EMPTY, contents_role=ContentsRole.ADMIN)

    async def now(self, access: Access) -> Access:
        """The same at the cell as the registry has it now."""

        async def find(tx: Any) -> Cell:
            return cast(Cell, await tx.cells.get(access.here.id))

        return self.at(await self.registry.read(find))

    async def upload(self, access: Access, archive: bytes, name: str = "there") -> None:
        await snapshots.put(
            self.ports,
            access,
            SnapshotFileName(f"{name}.zip"),
            pieces(archive),
            media_type="application/zip",
            expect=ALWAYS,
        )

    async def load(self, access: Access, archive: bytes) -> Access:
        """Upload and import *archive*; the cell afterwards, whatever came of it."""
        await self.upload(access, archive)
        await imports.start(self.ports, access, SnapshotName("there"))
        await self.idle(access)
        return await self.now(access)

    async def save(self, access: Access, name: str = "made") -> bytes:
        """Export, and the bytes of the snapshot."""
        await exports.start(self.ports, access, SnapshotName(name))
        await self.idle(access)
        return await self.bytes_of(access, f"{name}.zip")

    async def bytes_of(self, access: Access, name: str) -> bytes:
        file = await snapshots.get(self.ports, access, SnapshotFileName(name))
        blobs = self.ports.store.keep(access.here).blobs
        return b"".join([piece async for piece in blobs.read(file.content)])

    async def files(self, access: Access) -> list[SnapshotFile]:
        return await snapshots.list_files(self.ports, access)

    async def idle(self, access: Access) -> None:
        """Return once neither an export nor an import of the cell is under way."""

        async def current(tx: Any) -> list[Any]:
            return cast(list[Any], await tx.jobs.current())

        async with asyncio.timeout(MAX_WAIT_S):
            keep = self.ports.store.keep(access.here)
            while await keep.read(current) or self.ports.store.locked(access.here):
                await asyncio.sleep(0.005)

    async def count(self, access: Access) -> dict[str, int]:
        """How many entities of each kind the cell holds."""

        async def read(tx: Any) -> dict[str, int]:
            return {kind.value: await tx.entities.count(kind) for kind in layout.ENTITIES}

        return await self.ports.store.contents(access.here).read(read)

    async def events(self, access: Access) -> list[Any]:
        async def read(tx: Any) -> list[Any]:
            rows = tx.connection.execute("SELECT event FROM outbox ORDER BY seq")
            return [orjson.loads(text) for (text,) in rows]

        return cast(list[Any], await self.ports.store.contents(access.here).read(read))

    async def dump(self, access: Access) -> dict[str, Any]:
        """All that the cell holds, under a word for its own id: entities and links whole, files byte by byte."""
        cell, contents = access.here, self.ports.store.contents(access.here)

        def own(box: str | None) -> str | None:
            return "the cell" if box == cell.id else box

        async def read(tx: Any) -> dict[str, Any]:
            entities = [replace(one, box=own(one.box)) for kind in EntityKind async for one in tx.entities.each(kind)]
            links = [replace(link, box=own(link.box)) async for link in tx.links.each()]
            tree: dict[tuple[str, ...], Any] = {}

            async def walk(node: Node, path: tuple[str, ...]) -> None:
                tree[path] = (replace(node, content=None), self._bytes(contents.blobs, node))
                async for child in tx.nodes.children(node.id, inline=True):
                    await walk(child, (*path, child.name))

            await walk(await tx.nodes.root(), ())
            return {
                "entities": {one.id: one for one in entities},
                "links": set(links),
                "tree": tree,
            }

        return await contents.scan(read)

    @staticmethod
    def _bytes(blobs: Any, node: Node) -> bytes | None:
        if node.kind is not NodeKind.FILE:
            return None
        with blobs.open(node.content) as file:
            return cast(bytes, file.read())


@asynccontextmanager
async def opened(folder: Path, *, places: int = 4, **limits: Any) -> AsyncIterator[SnapshotUnit]:
    """A unit over *folder*, which may hold what an earlier one left there; *places* for jobs, *limits* by name."""
    folder.mkdir(exist_ok=True)
    clock, ids, log = SystemClock(), SystemIds(), io.StringIO()
    registry = SqliteRegistry(StoreSettings(folder, BlobLimits(disk_reserve_percent=0)), clock=clock, ids=ids)
    registry.recover()
    passwords = ScryptPasswords(ScryptCost(log2_n=4, p=1))
    jobs = TaskJobs(places=places)
    ports = ports_over(
        registry,
        config=Config(limits=Limits(**limits)),
        passwords=passwords,
        jobs=jobs,
        log=obs.open_log(level="info", form="json", stream=log),
    )
    await resume(ports)
    yield SnapshotUnit(ports, jobs, registry, log)
    if places:
        await jobs.close()
    await registry.close()
    passwords.close()
