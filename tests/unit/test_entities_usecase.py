"""Control entities of a cell and their links, on a real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from alveary.errors import (
    AUTH_REQUIRED,
    CELL_LOCKED,
    ENTITY_ETAG_MISMATCH,
    ENTITY_EXISTS,
    FIELD_FORMAT,
    HAS_RELATED,
    LACKS_PRIVILEGE,
    LINK_COLLIDES,
    LINK_EXISTS,
    LINK_NOT_FOUND,
    NO_SUCH_ENTITY,
    PASSWORD_FORMAT,
    REFERENCED_ENTITY_MISSING,
    SCOPE_TOO_SMALL,
    TOO_MANY_LINKS,
    UNLINK_COLLIDES,
    Refusal,
)
from alveary.model.accounts import Credential
from alveary.model.acl import EMPTY, Ace, Acl
from alveary.model.cell import Cell
from alveary.model.control_edm import ACCOUNT, BOX, ROLE
from alveary.model.edm import EntityKey, EntitySet, Row
from alveary.model.entities import Entity, EntityKind
from alveary.model.privileges import CellPrivilege
from alveary.model.tree import NodeKind
from alveary.ports import Ports
from alveary.usecases import entities, links, lists
from alveary.usecases.access import Access, Who
from alveary.usecases.services import CONTROL
from alveary.wire.etags import Precondition
from alveary.wire.odata_json import etag_of
from alveary.wire.odata_options import EntityOptions, ListOptions
from tests.control_unit import ALL, ALWAYS, Unit, address, key, opened, refusal_of, role, unread, way


@pytest.fixture
async def unit(tmp_path: Path) -> AsyncIterator[Unit]:
    async with opened(tmp_path) as made:
        yield made


class TestCreate:
    async def test_an_entity_is_stored_as_snapshots_hold_it(self, unit: Unit) -> None:
        await unit.create(ACCOUNT, Name="alice")
        stored = await unit.stored(EntityKind.ACCOUNT, "alice")
        assert (stored.values, stored.refs, stored.box, stored.version) == (
            {"Name": "alice", "Type": "basic", "Status": "active"},
            (),
            None,
            1,
        )

    async def test_an_entity_is_found_again_with_every_field(self, unit: Unit) -> None:
        made = await unit.create(ACCOUNT, Name="alice")
        assert made == await unit.retrieve(ACCOUNT, "alice")
        assert made.value("IPAddressRange") is None

    async def test_a_second_one_of_the_same_key_is_refused(self, unit: Unit) -> None:
        await unit.create(ACCOUNT, Name="alice")
        assert await refusal_of(unit.create(ACCOUNT, Name="alice")) is ENTITY_EXISTS

    async def test_of_many_at_once_one_is_made(self, unit: Unit) -> None:
        tries = [unit.create(ROLE, **role("r")) for _ in range(20)]
        outcomes = await asyncio.gather(*tries, return_exceptions=True)
        refused = [each for each in outcomes if isinstance(each, Refusal)]
        assert (len(refused), {each.kind for each in refused}) == (19, {ENTITY_EXISTS})

    async def test_roles_of_different_boxes_may_share_a_name(self, unit: Unit) -> None:
        await unit.create(BOX, Name="b")
        bound, unbound = await unit.create(ROLE, **role("r", "b")), await unit.create(ROLE, **role("r"))
        assert (bound.key, unbound.key) == (key("r", "b"), key("r", None))
        assert await unit.retrieve(ROLE, "r", "b") == bound
        assert await unit.retrieve(ROLE, "r", None) == unbound

    async def test_a_role_of_a_box_that_is_not_there_is_refused(self, unit: Unit) -> None:
        assert await refusal_of(unit.create(ROLE, **role("r", "b"))) is REFERENCED_ENTITY_MISSING

    async def test_a_box_has_a_root_in_the_tree_at_once(self, unit: Unit) -> None:
        await unit.create(BOX, Name="b")
        place = await unit.place_of("b")
        assert place.box is not None
        assert place.node is not None
        assert (place.node.kind, place.node.name) == (NodeKind.BOX, place.box.id)

    async def test_two_boxes_of_one_schema_are_refused(self, unit: Unit) -> None:
        await unit.create(BOX, Name="a", Schema="urn:app")
        assert await refusal_of(unit.create(BOX, Name="b", Schema="urn:app")) is ENTITY_EXISTS
        await unit.create(BOX, Name="c")
        await unit.create(BOX, Name="d")
        assert (await unit.place_of("b")).node is None

    async def test_a_password_is_kept_hidden_and_hashed(self, unit: Unit) -> None:
        await unit.create(ACCOUNT, Name="alice", password="passAlice01")
        credential = Credential.of((await unit.stored(EntityKind.ACCOUNT, "alice")).hidden)
        assert await unit.ports.passwords.verify("passAlice01", credential)

    @pytest.mark.parametrize("password", ["", "short", "p" * 33, "has blank", "\x00" * 8])
    async def test_a_password_out_of_form_makes_no_account(self, unit: Unit, password: str) -> None:
        call = unit.create(ACCOUNT, Name="alice", password=password)
        assert await refusal_of(call) is PASSWORD_FORMAT
        assert await refusal_of(unit.retrieve(ACCOUNT, "alice")) is NO_SUCH_ENTITY

    async def test_a_locked_cell_takes_none(self, unit: Unit) -> None:
        async with unit.ports.store.lock(unit.admin.here, "import"):
            assert await refusal_of(unit.create(ROLE, **role("r"))) is CELL_LOCKED


class TestList:
    async def test_a_page_and_the_count_of_all(self, unit: Unit) -> None:
        await unit.create(BOX, Name="b")
        for name, box in (("x", "b"), ("a", None), ("m", "b")):
            await unit.create(ROLE, **role(name, box))
        page = await unit.page(ROLE, ListOptions(top=5, skip=1, count=True))
        everyone = await unit.page(ROLE, ListOptions(top=3))
        assert (len(page.rows), page.count, everyone.count) == (2, 3, None)
        assert {row.key for row in everyone.rows} == {key("x", "b"), key("a", None), key("m", "b")}

    async def test_no_rows_of_nothing(self, unit: Unit) -> None:
        page = await unit.page(BOX, ALL)
        assert (page.rows, page.count) == ([], 0)


class TestChange:
    async def test_a_put_sets_what_it_leaves_out_to_the_default(self, unit: Unit) -> None:
        old = await unit.create(ACCOUNT, Name="alice", Status="deactivated", IPAddressRange="10.0.0.1")
        new = await unit.change(old, Name="alice")
        assert (new.value("Status"), new.value("IPAddressRange")) == ("active", None)
        assert (new.version, new.published_ms) == (2, old.published_ms)
        assert new == await unit.retrieve(ACCOUNT, "alice")

    async def test_a_merge_keeps_what_it_leaves_out(self, unit: Unit) -> None:
        old = await unit.create(ACCOUNT, Name="alice", Status="deactivated")
        new = await unit.change(old, merge=True, IPAddressRange="10.0.0.1")
        assert (new.value("Status"), new.value("IPAddressRange")) == ("deactivated", "10.0.0.1")

    async def test_a_rename_keeps_id_password_and_links(self, unit: Unit) -> None:
        await unit.create(ACCOUNT, Name="alice", password="passAlice01")
        before = await unit.stored(EntityKind.ACCOUNT, "alice")
        await unit.create(ROLE, **role("r"))
        await unit.link(way(ACCOUNT, "_Role", "alice"), "r", None)
        await unit.change(await unit.retrieve(ACCOUNT, "alice"), Name="alicia")
        after = await unit.stored(EntityKind.ACCOUNT, "alicia")
        assert (after.id, after.hidden) == (before.id, before.hidden)
        assert await unit.linked(way(ACCOUNT, "_Role", "alicia")) == [("r", None)]
        assert await refusal_of(unit.retrieve(ACCOUNT, "alice")) is NO_SUCH_ENTITY

    async def test_a_new_password_replaces_the_whole_record(self, unit: Unit) -> None:
        row = await unit.create(ACCOUNT, Name="alice")
        await unit.change(row, merge=True, password="passAlice02")
        credential = Credential.of((await unit.stored(EntityKind.ACCOUNT, "alice")).hidden)
        assert await unit.ports.passwords.verify("passAlice02", credential)

    async def test_a_rename_onto_another_is_refused_and_changes_nothing(self, unit: Unit) -> None:
        await unit.create(ACCOUNT, Name="alice")
        bob = await unit.create(ACCOUNT, Name="bob")
        assert await refusal_of(unit.change(bob, Name="alice")) is ENTITY_EXISTS
        assert await unit.retrieve(ACCOUNT, "bob") == bob

    async def test_a_put_moves_a_role_between_boxes(self, unit: Unit) -> None:
        await unit.create(BOX, Name="b")
        row = await unit.create(ROLE, **role("r", "b"))
        assert (await unit.change(row, Name="r")).key == key("r", None)
        assert await refusal_of(unit.retrieve(ROLE, "r", "b")) is NO_SUCH_ENTITY

    async def test_a_renamed_box_keeps_its_contents_and_may_keep_its_schema(self, unit: Unit) -> None:
        row = await unit.create(BOX, Name="b", Schema="urn:app")
        await unit.put_something_into("b")
        assert (await unit.change(row, merge=True, Name="c")).value("Schema") == "urn:app"
        assert (await unit.place_of("c")).node is not None
        assert (await unit.place_of("b")).node is None

    @pytest.mark.parametrize("tag", ['W/"1-1"', '"x"', "nonsense", ""])
    async def test_an_etag_that_does_not_match_changes_nothing(self, unit: Unit, tag: str) -> None:
        row = await unit.create(BOX, Name="b")
        expect = Precondition.parse(tag)
        assert await refusal_of(unit.change(row, Name="c", expect=expect)) is ENTITY_ETAG_MISMATCH
        assert await refusal_of(unit.remove(row, expect)) is ENTITY_ETAG_MISMATCH
        assert await unit.retrieve(BOX, "b") == row

    async def test_of_many_writers_with_one_etag_one_wins(self, unit: Unit) -> None:
        row = await unit.create(ACCOUNT, Name="a")
        expect = Precondition.parse(str(etag_of(row)))
        tries = [unit.change(row, merge=True, expect=expect, IPAddressRange=f"10.0.0.{n}") for n in range(16)]
        outcomes = await asyncio.gather(*tries, return_exceptions=True)
        refused = [each for each in outcomes if isinstance(each, Refusal)]
        assert (len(refused), {each.kind for each in refused}) == (15, {ENTITY_ETAG_MISMATCH})

    async def test_what_is_not_there_is_not_changed(self, unit: Unit) -> None:
        missing = Row(ROLE, "nothing", key("r", "b"), {}, 1, 1, 1)
        assert await refusal_of(unit.change(missing, Name="r")) is NO_SUCH_ENTITY
        assert await refusal_of(unit.remove(missing)) is NO_SUCH_ENTITY


class TestRemove:
    async def test_a_removed_role_leaves_no_link(self, unit: Unit) -> None:
        await unit.create(ACCOUNT, Name="a")
        row = await unit.create(ROLE, **role("r"))
        await unit.link(way(ACCOUNT, "_Role", "a"), "r", None)
        await unit.remove(row)
        assert await unit.linked(way(ACCOUNT, "_Role", "a")) == []
        await unit.create(ROLE, **role("r"))
        assert await unit.linked(way(ACCOUNT, "_Role", "a")) == []

    async def test_a_box_with_a_role_bound_to_it_stays(self, unit: Unit) -> None:
        box = await unit.create(BOX, Name="b")
        bound = await unit.create(ROLE, **role("r", "b"))
        assert await refusal_of(unit.remove(box)) is HAS_RELATED
        await unit.remove(bound)
        await unit.remove(box)
        assert (await unit.place_of("b")).box is None

    @pytest.mark.parametrize(
        "kind", [EntityKind.RELATION, EntityKind.RULE, EntityKind.SENT_MESSAGE, EntityKind.RECEIVED_MESSAGE]
    )
    async def test_a_box_with_anything_else_bound_to_it_stays(self, unit: Unit, kind: EntityKind) -> None:
        box = await unit.create(BOX, Name="b")
        box_id = (await unit.stored(EntityKind.BOX, "b")).id

        async def save(tx: Any) -> None:
            await tx.entities.save(Entity("x", kind, box_id, "x", 1, 1, 1, refs=(("Box", box_id),)))

        await unit.apply(save)
        assert await refusal_of(unit.remove(box)) is HAS_RELATED

    async def test_a_box_with_contents_stays(self, unit: Unit) -> None:
        box = await unit.create(BOX, Name="b")
        await unit.put_something_into("b")
        assert await refusal_of(unit.remove(box)) is HAS_RELATED


class TestLinks:
    async def test_account_and_role_are_linked_from_either_side(self, unit: Unit) -> None:
        await unit.create(BOX, Name="b")
        for name in ("z", "a"):
            await unit.create(ROLE, **role(name, "b"))
        await unit.create(ACCOUNT, Name="alice")
        await unit.link(way(ACCOUNT, "_Role", "alice"), "z", "b")
        await unit.link(way(ROLE, "_Account", "a", "b"), "alice")
        assert await unit.linked(way(ACCOUNT, "_Role", "alice")) == [("a", "b"), ("z", "b")]
        assert await unit.linked(way(ACCOUNT, "_Role", "alice"), ListOptions(top=1, skip=1)) == [("z", "b")]
        assert await unit.linked(way(ROLE, "_Account", "z", "b")) == [("alice",)]

        async def roles(tx: Any) -> frozenset[str]:
            alice = await tx.principals.account_named("alice")
            return cast(frozenset[str], await tx.principals.roles_of(alice.id))

        assert len(await unit.apply(roles)) == 2

    async def test_a_link_is_made_and_taken_away_once(self, unit: Unit) -> None:
        await unit.create(ACCOUNT, Name="a")
        await unit.create(ROLE, **role("r"))
        origin = way(ACCOUNT, "_Role", "a")
        await unit.link(origin, "r", None)
        assert await refusal_of(unit.link(origin, "r", None)) is LINK_EXISTS
        await unit.unlink(way(ROLE, "_Account", "r", None), "a")
        assert await refusal_of(unit.unlink(origin, "r", None)) is LINK_NOT_FOUND

    async def test_missing_ends_are_told_apart(self, unit: Unit) -> None:
        await unit.create(ACCOUNT, Name="a")
        assert await refusal_of(unit.link(way(ACCOUNT, "_Role", "a"), "r", None)) is FIELD_FORMAT
        assert await refusal_of(unit.link(way(ACCOUNT, "_Role", "x"), "r", None)) is LINK_NOT_FOUND
        assert await refusal_of(unit.linked(way(ACCOUNT, "_Role", "x"))) is NO_SUCH_ENTITY
        assert await refusal_of(unit.unlink(way(ACCOUNT, "_Role", "a"), "r", None)) is LINK_NOT_FOUND

    async def test_links_beyond_the_limit_are_refused(self, unit: Unit) -> None:
        await unit.create(ACCOUNT, Name="a")
        for name in ("r1", "r2", "r3"):
            await unit.create(ROLE, **role(name))
        for name in ("r1", "r2"):
            await unit.link(way(ACCOUNT, "_Role", "a"), name, None)
        assert await refusal_of(unit.link(way(ACCOUNT, "_Role", "a"), "r3", None)) is TOO_MANY_LINKS
        assert await refusal_of(unit.link(way(ROLE, "_Account", "r3", None), "a")) is TOO_MANY_LINKS

    async def test_a_role_is_bound_to_a_box_and_released(self, unit: Unit) -> None:
        await unit.create(BOX, Name="b")
        await unit.create(ROLE, **role("r"))
        await unit.link(way(BOX, "_Role", "b"), "r", None)
        assert await unit.linked(way(BOX, "_Role", "b")) == [("r", "b")]
        assert await unit.linked(way(ROLE, "_Box", "r", "b")) == [("b",)]
        assert (await unit.retrieve(ROLE, "r", "b")).version == 2
        assert await refusal_of(unit.link(way(ROLE, "_Box", "r", "b"), "b")) is LINK_EXISTS
        await unit.unlink(way(ROLE, "_Box", "r", "b"), "b")
        assert await unit.linked(way(ROLE, "_Box", "r", None)) == []
        assert await refusal_of(unit.unlink(way(ROLE, "_Box", "r", None), "b")) is LINK_NOT_FOUND

    async def test_what_is_made_at_the_end_of_a_way_is_linked_or_not_made(self, unit: Unit) -> None:
        await unit.create(BOX, Name="b")
        await unit.create(ACCOUNT, Name="a")
        made = await unit.create_linked(way(ACCOUNT, "_Role", "a"), Name="r")
        assert await unit.linked(way(ACCOUNT, "_Role", "a")) == [("r", None)]
        assert made == await unit.retrieve(ROLE, "r", None)
        bound = await unit.create_linked(way(BOX, "_Role", "b"), Name="r", **{"_Box.Name": None})
        assert bound.key == key("r", "b")
        assert bound == await unit.retrieve(ROLE, "r", "b")
        assert await refusal_of(unit.create_linked(way(ACCOUNT, "_Role", "a"), Name="r")) is LINK_EXISTS
        assert await refusal_of(unit.create_linked(way(ACCOUNT, "_Role", "x"), Name="new")) is LINK_NOT_FOUND
        assert await refusal_of(unit.retrieve(ROLE, "new", None)) is NO_SUCH_ENTITY

    async def test_no_link_makes_two_of_one_key(self, unit: Unit) -> None:
        await unit.create(BOX, Name="b")
        await unit.create(ROLE, **role("r"))
        await unit.create(ROLE, **role("r", "b"))
        assert await refusal_of(unit.link(way(BOX, "_Role", "b"), "r", None)) is LINK_COLLIDES
        assert await refusal_of(unit.unlink(way(BOX, "_Role", "b"), "r", "b")) is UNLINK_COLLIDES


class TestEvents:
    async def test_every_change_leaves_one_and_no_refusal_does(self, unit: Unit) -> None:
        unit.admin = replace(unit.admin, request_key="key", subject="me")
        row = await unit.create(ACCOUNT, Name="a")
        await refusal_of(unit.create(ACCOUNT, Name="a"))
        await unit.create(ROLE, **role("r"))
        await unit.link(way(ROLE, "_Account", "r", None), "a")
        await unit.unlink(way(ACCOUNT, "_Role", "a"), "r", None)
        row = await unit.change(row, Name="b")
        await unit.change(row, merge=True)
        await unit.remove(row)
        events = await unit.events()
        ctl = "personium-localcell:/__ctl/"
        assert [(each["Type"], each["Object"], each["Info"]) for each in events] == [
            ("cellctl.Account.create", f"{ctl}Account('a')", "201"),
            ("cellctl.Role.create", f"{ctl}Role(Name='r',_Box.Name=null)", "201"),
            (
                "cellctl.Account.links.Role.create",
                f"{ctl}Role(Name='r',_Box.Name=null)/$links/_Account('a')",
                "204",
            ),
            (
                "cellctl.Account.links.Role.delete",
                f"{ctl}Account('a')/$links/_Role(Name='r',_Box.Name=null)",
                "204",
            ),
            ("cellctl.Account.update", f"{ctl}Account('a')", "204"),
            ("cellctl.Account.patch", f"{ctl}Account('b')", "204"),
            ("cellctl.Account.delete", f"{ctl}Account('b')", "204"),
        ]
        assert {(each["RequestKey"], each["Subject"]) for each in events} == {("key", "me")}


# Who may


def account(cell: Cell, *granted: CellPrivilege, scope: str = "root") -> Access:
    acl = Acl((Ace("some-role", granted),))
    return Access(cell, Who.ACCOUNT, frozenset({"some-role"}), acl, scopes=frozenset({scope}))


def every_call(ports: Ports, access: Access, entity_set: EntitySet, given: entities.Given) -> list[Any]:
    """One call of each kind on things that are not there."""
    nothing = address(entity_set, "nothing", *(None,) * (len(entity_set.key) - 1))
    reading = [
        entities.retrieve(ports, access, CONTROL, nothing, EntityOptions()),
        lists.list_page(ports, access, CONTROL, entity_set.name, ALL),
    ]
    writing = [
        entities.create(ports, access, CONTROL, entity_set.name, given),
        entities.change(ports, access, CONTROL, nothing, given, merge=False, expect=ALWAYS),
        entities.remove(ports, access, CONTROL, nothing, expect=ALWAYS),
    ]
    return [*reading, *writing]


class TestPrivileges:
    @pytest.mark.parametrize("entity_set", [BOX, ACCOUNT, ROLE])
    async def test_strangers_learn_nothing(self, unit: Unit, entity_set: EntitySet) -> None:
        nobody = Access(unit.admin.cell, Who.ANONYMOUS, frozenset(), EMPTY)
        known = account(unit.admin.here)
        for access, kind in ((nobody, AUTH_REQUIRED), (known, LACKS_PRIVILEGE)):
            for call in every_call(unit.ports, access, entity_set, unread):
                assert await refusal_of(call) is kind

    @pytest.mark.parametrize(
        ("entity_set", "read"),
        [(BOX, CellPrivilege.BOX_READ), (ACCOUNT, CellPrivilege.AUTH_READ), (ROLE, CellPrivilege.AUTH_READ)],
    )
    async def test_the_reading_privilege_reads_alone(
        self, unit: Unit, entity_set: EntitySet, read: CellPrivilege
    ) -> None:
        get, listed, *writing = every_call(unit.ports, account(unit.admin.here, read), entity_set, unread)
        assert await refusal_of(get) is NO_SUCH_ENTITY
        assert (await listed).rows == []
        for call in writing:
            assert await refusal_of(call) is LACKS_PRIVILEGE

    async def test_a_scope_bounds_what_a_role_gives(self, unit: Unit) -> None:
        access = account(unit.admin.here, CellPrivilege.ROOT, scope="auth-read")
        call = entities.create(unit.ports, access, CONTROL, "Role", unread)
        assert await refusal_of(call) is SCOPE_TOO_SMALL

    async def test_a_link_needs_the_privileges_of_both_ends(self, unit: Unit) -> None:
        async def read(_: EntitySet) -> tuple[EntityKey]:
            raise AssertionError("the body was read before the privilege was known")

        origin = CONTROL, address(BOX, "b"), "_Role"
        for granted in (CellPrivilege.BOX, CellPrivilege.AUTH):
            access = account(unit.admin.here, granted)
            for call in (
                links.link(unit.ports, access, *origin, read),
                links.unlink(unit.ports, access, *origin, "'r'"),
                links.create_linked(unit.ports, access, *origin, unread),
                lists.list_links(unit.ports, access, *origin, ALL),
                lists.list_related(unit.ports, access, *origin, ALL),
            ):
                assert await refusal_of(call) is LACKS_PRIVILEGE
