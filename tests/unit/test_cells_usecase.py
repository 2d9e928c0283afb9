"""The unit's cells, on a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from alveary.errors import (
    AUTH_REQUIRED,
    CELL_LOCKED,
    ENTITY_ETAG_MISMATCH,
    ENTITY_EXISTS,
    HAS_RELATED,
    NO_SUCH_CELL,
    NO_SUCH_ENTITY,
    NOT_OWNER_OF_CELL,
    UNIT_USER_NEEDED,
)
from alveary.model.acl import EMPTY
from alveary.model.control_edm import ROLE
from alveary.model.entities import Entity, EntityKind
from alveary.model.names import MAIN_BOX
from alveary.usecases import cells
from alveary.usecases.access import Access, Who
from alveary.wire.etags import Precondition
from alveary.wire.odata_options import ListOptions
from tests.control_unit import ALL, ALWAYS, Unit, given, key, opened, refusal_of, role, unread


@pytest.fixture
async def unit(tmp_path: Path) -> AsyncIterator[Unit]:
    async with opened(tmp_path) as made:
        yield made


def unit_user(subject: str) -> Access:
    return Access(None, Who.UNIT_USER, frozenset(), EMPTY, subject=subject)


class TestCells:
    async def test_a_unit_user_owns_what_they_make_and_sees_no_other(self, unit: Unit) -> None:
        ann, bob = unit_user("ann"), unit_user("bob")
        made = await cells.create(unit.ports, ann, given(Name="anns"))
        await cells.create(unit.ports, bob, given(Name="bobs"))
        page = await cells.list_page(unit.ports, ann, ALL)
        assert ([row.values for row in page.rows], page.count) == ([{"Name": "anns"}], 1)
        assert await cells.retrieve(unit.ports, ann, key("anns")) == made
        for call in (
            cells.retrieve(unit.ports, bob, key("anns")),
            cells.change(unit.ports, bob, key("anns"), unread, merge=False, expect=ALWAYS),
            cells.remove(unit.ports, bob, key("anns"), expect=ALWAYS),
        ):
            assert await refusal_of(call) is NOT_OWNER_OF_CELL

    async def test_a_cell_that_is_being_replaced_keeps_its_name(self, unit: Unit) -> None:
        name = unit.admin.here.name
        for merge in (False, True):
            async with unit.ports.store.lock(unit.admin.here, "import"):
                call = cells.change(unit.ports, unit.admin, key(name), unread, merge=merge, expect=ALWAYS)
                assert await refusal_of(call) is CELL_LOCKED
        await cells.change(unit.ports, unit.admin, key(name), given(Name="other"), merge=False, expect=ALWAYS)

    async def test_an_administrator_sees_all_and_owns_none(self, unit: Unit) -> None:
        await cells.create(unit.ports, unit.admin, given(Name="new"))
        page = await cells.list_page(unit.ports, unit.admin, ListOptions(top=1, skip=1, count=True))
        assert ([row.key for row in page.rows], page.count) == ([key("new")], 2)
        call = cells.retrieve(unit.ports, unit_user("owner"), key("new"))
        assert await refusal_of(call) is NOT_OWNER_OF_CELL

    async def test_nobody_else_gets_near(self, unit: Unit) -> None:
        nobody = Access(None, Who.ANONYMOUS, frozenset(), EMPTY)
        known = Access(None, Who.ACCOUNT, frozenset(), EMPTY)
        for access, kind in ((nobody, AUTH_REQUIRED), (known, UNIT_USER_NEEDED)):
            for call in (
                cells.create(unit.ports, access, unread),
                cells.list_page(unit.ports, access, ALL),
                cells.retrieve(unit.ports, access, key("none")),
                cells.change(unit.ports, access, key("none"), unread, merge=True, expect=ALWAYS),
                cells.remove(unit.ports, access, key("none"), expect=ALWAYS),
                cells.delete_recursively(unit.ports, access, unit.admin.here),
            ):
                assert await refusal_of(call) is kind

    async def test_a_name_is_taken_once(self, unit: Unit) -> None:
        assert await refusal_of(cells.create(unit.ports, unit.admin, given(Name="cell"))) is ENTITY_EXISTS
        other = await cells.create(unit.ports, unit.admin, given(Name="other"))
        call = cells.change(unit.ports, unit.admin, other.key, given(Name="cell"), merge=False, expect=ALWAYS)
        assert await refusal_of(call) is ENTITY_EXISTS

    async def test_a_rename_keeps_what_the_cell_holds(self, unit: Unit) -> None:
        await unit.create(ROLE, **role("r"))
        row = await cells.change(unit.ports, unit.admin, key("cell"), given(Name="new"), merge=False, expect=ALWAYS)
        assert (row.key, row.version) == (key("new"), 2)
        assert await refusal_of(cells.retrieve(unit.ports, unit.admin, key("cell"))) is NO_SUCH_ENTITY
        assert (await unit.retrieve(ROLE, "r", None)).key == key("r", None)

    async def test_a_merge_may_say_nothing(self, unit: Unit) -> None:
        row = await cells.change(unit.ports, unit.admin, key("cell"), given(), merge=True, expect=ALWAYS)
        assert (row.key, row.version) == (key("cell"), 2)

    async def test_an_etag_that_does_not_match_changes_nothing(self, unit: Unit) -> None:
        expect = Precondition.parse('W/"7-7"')
        change = cells.change(unit.ports, unit.admin, key("cell"), given(Name="new"), merge=False, expect=expect)
        assert await refusal_of(change) is ENTITY_ETAG_MISMATCH
        remove = cells.remove(unit.ports, unit.admin, key("cell"), expect=expect)
        assert await refusal_of(remove) is ENTITY_ETAG_MISMATCH
        assert (await cells.retrieve(unit.ports, unit.admin, key("cell"))).version == 1
        await unit.create(ROLE, **role("r"))  # not locked any more

    @pytest.mark.parametrize("kind", [kind for kind in EntityKind if kind in cells.FILLING])
    async def test_a_cell_that_holds_something_stays(self, unit: Unit, kind: EntityKind) -> None:
        async def save(tx: Any) -> None:
            await tx.entities.save(Entity("x", kind, "", "x", 1, 1, 1))

        await unit.apply(save)
        remove = cells.remove(unit.ports, unit.admin, key("cell"), expect=ALWAYS)
        assert await refusal_of(remove) is HAS_RELATED

    async def test_a_cell_with_something_in_its_main_box_stays(self, unit: Unit) -> None:
        await unit.put_something_into(MAIN_BOX)
        remove = cells.remove(unit.ports, unit.admin, key("cell"), expect=ALWAYS)
        assert await refusal_of(remove) is HAS_RELATED

    async def test_an_empty_cell_goes_and_its_name_is_free(self, unit: Unit) -> None:
        await cells.remove(unit.ports, unit_user("owner"), key("cell"), expect=ALWAYS)
        assert await refusal_of(cells.retrieve(unit.ports, unit.admin, key("cell"))) is NO_SUCH_ENTITY
        await cells.create(unit.ports, unit.admin, given(Name="cell"))

    async def test_a_recursive_removal_takes_all(self, unit: Unit) -> None:
        await unit.create(ROLE, **role("r"))
        await unit.put_something_into(MAIN_BOX)
        await cells.delete_recursively(unit.ports, unit_user("owner"), unit.admin.here)
        again = cells.delete_recursively(unit.ports, unit.admin, unit.admin.here)
        assert await refusal_of(again) is NO_SUCH_CELL

    async def test_a_cell_that_is_being_replaced_is_not_removed(self, unit: Unit) -> None:
        async with unit.ports.store.lock(unit.admin.here, "import"):
            call = cells.delete_recursively(unit.ports, unit.admin, unit.admin.here)
            assert await refusal_of(call) is CELL_LOCKED

    async def test_the_unit_is_ready(self, unit: Unit) -> None:
        await cells.check_ready(unit.ports)
