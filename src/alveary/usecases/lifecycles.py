"""What the change of an entity sets in motion, and what forbids it, by its kind.

The rules of control objects are here, those of a schema in ``schemas``. What does not belong here: the changes
themselves (``entities``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from alveary.errors import FIELD_FORMAT, HAS_RELATED, Refusal
from alveary.model.accounts import BASIC_TYPE, Account, AccountStatus, Credential, Epoch
from alveary.model.control_edm import BLOCKING
from alveary.model.edm import Ends, EntitySet
from alveary.model.entities import Entity, EntityKind
from alveary.model.rules import check_rule
from alveary.model.tree import Node, NodeKind
from alveary.ports import Ports
from alveary.ports.store import WriteTx
from alveary.usecases import schemas
from alveary.usecases.lists import linked
from alveary.usecases.services import Home

Adding = Callable[[Ports, WriteTx, Home, Entity], Awaitable[Entity]]
"""What is saved in place of a new entity, once what goes with it is done."""
Changing = Callable[[Ports, WriteTx, Home, Entity, Entity], Awaitable[Entity]]
"""The same for an entity as it was and as it is to be."""
Removing = Callable[[Ports, WriteTx, Home, EntitySet, Entity], Awaitable[None]]
"""What is done before an entity is removed."""


async def _as_it_is(ports: Ports, tx: WriteTx, home: Home, entity: Entity) -> Entity:
    return entity


async def _as_it_is_to_be(ports: Ports, tx: WriteTx, home: Home, old: Entity, new: Entity) -> Entity:
    return new


async def _without_more(ports: Ports, tx: WriteTx, home: Home, entity_set: EntitySet, entity: Entity) -> None:
    blocking = BLOCKING.get(entity.kind)
    if blocking and await tx.entities.referring(entity.id, blocking):
        raise Refusal(HAS_RELATED)


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """What goes with the changes of the entities of a kind."""

    adding: Adding = _as_it_is
    changing: Changing = _as_it_is_to_be
    removing: Removing = _without_more


async def _plant(ports: Ports, tx: WriteTx, home: Home, box: Entity) -> Entity:
    """A box has its place in the tree."""
    root = await tx.nodes.root()
    await tx.nodes.save(Node(ports.ids.timed(), root.id, box.id, NodeKind.BOX, 1, tx.now_ms, tx.now_ms))
    return box


async def _uproot(ports: Ports, tx: WriteTx, home: Home, entity_set: EntitySet, box: Entity) -> None:
    """A box goes only when nothing is in it nor bound to it."""
    await _without_more(ports, tx, home, entity_set, box)
    node = (await tx.nodes.locate(box.key, ())).node
    if node is None:
        return
    if await tx.nodes.child_count(node.id):
        raise Refusal(HAS_RELATED)
    await tx.nodes.remove(node.id)


async def _new_rule(ports: Ports, tx: WriteTx, home: Home, rule: Entity) -> Entity:
    check_rule(rule.values, box_bound=bool(rule.scope), locate=lambda url: ports.urls.to_local(url) != url)
    return rule


async def _changed_rule(ports: Ports, tx: WriteTx, home: Home, old: Entity, new: Entity) -> Entity:
    return await _new_rule(ports, tx, home, new)


async def _new_account(ports: Ports, tx: WriteTx, home: Home, account: Entity) -> Entity:
    """An account is of types that somebody can prove: by a password, or by one of the login plug-ins."""
    provable = {BASIC_TYPE, *(each.account_type for each in ports.login_plugins.values())}
    if not Account.of(account).types <= provable:
        raise Refusal(FIELD_FORMAT, field="Type")
    return account


async def _changed_account(ports: Ports, tx: WriteTx, home: Home, old: Entity, new: Entity) -> Entity:
    """An account keeps the types it had, whatever became of their plug-ins; a new password ends its tokens.

    So does the word that it needs one: who holds a token of it could set the password otherwise.
    """
    if new.values.get("Type") != old.values.get("Type"):
        new = await _new_account(ports, tx, home, new)
    status = new.values.get("Status")
    must_change = status == AccountStatus.PASSWORD_CHANGE_REQUIRED and status != old.values.get("Status")
    if not must_change and Credential.of(new.hidden) == Credential.of(old.hidden):
        return new
    return replace(new, hidden={**new.hidden, **Epoch(ports.ids.new()).as_hidden()})


async def _orphan(ports: Ports, tx: WriteTx, home: Home, entity_set: EntitySet, entity: Entity) -> None:
    """User data goes only when nothing that can have but one such entity is linked with it."""
    for way in entity_set.navigations:
        if way.ends is Ends.ONE_TO_MANY and await tx.entities.matching(
            linked(home.named(way.target), way, entity.id)
        ):
            raise Refusal(HAS_RELATED)


LIFECYCLES: Final[Mapping[EntityKind, Lifecycle]] = {
    **dict.fromkeys(EntityKind, Lifecycle()),
    EntityKind.BOX: Lifecycle(adding=_plant, removing=_uproot),
    EntityKind.ACCOUNT: Lifecycle(adding=_new_account, changing=_changed_account),
    EntityKind.RULE: Lifecycle(adding=_new_rule, changing=_changed_rule),
    EntityKind.USER_DATA: Lifecycle(removing=_orphan),
    EntityKind.ENTITY_TYPE: Lifecycle(schemas.adding_entity_type, removing=schemas.removing_entity_type),
    EntityKind.COMPLEX_TYPE: Lifecycle(
        changing=schemas.changing_complex_type, removing=schemas.removing_complex_type
    ),
    EntityKind.PROPERTY: Lifecycle(schemas.adding_property, schemas.changing_property, schemas.removing_property),
    EntityKind.COMPLEX_TYPE_PROPERTY: Lifecycle(
        schemas.adding_property, schemas.changing_property, schemas.removing_property
    ),
    EntityKind.ASSOCIATION_END: Lifecycle(
        changing=schemas.changing_association_end, removing=schemas.removing_association_end
    ),
}
"""By kind; messages, roles and the like have the plain one."""
