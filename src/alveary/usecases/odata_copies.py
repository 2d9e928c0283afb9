"""The schema and user data of an OData collection once more, in another collection of the same cell.

What does not belong here: the collections themselves (``transfers``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from alveary.model.entities import Entity, Link
from alveary.ports.store import WriteTx


async def copy_entities(tx: WriteTx, old: str, new: str, new_id: Callable[[], str]) -> None:
    """Copy what is in the OData collection at the node of id *old* into the empty one at *new*.

    Keys, versions and times stay, so that entities have the ``__id`` and ETag of their originals; the store's own ids
    are new, and what refers to one of them refers to its copy.
    """
    ids = {entity.id: new_id() async for entity in tx.entities.of_collection(old)}
    ids[old] = new
    links = [link async for link in tx.links.of_collection(old)]
    # A copy must not come into the list that is being read.
    for entity in [entity async for entity in tx.entities.of_collection(old)]:
        await tx.entities.save(_copied(entity, ids))
    for link in links:
        await tx.links.save(_copied_link(link, ids))


def _copied(entity: Entity, ids: Mapping[str, str]) -> Entity:
    return replace(
        entity,
        id=ids[entity.id],
        scope=ids[entity.scope],
        refs=tuple((ids.get(kind, kind), ids.get(target, target)) for kind, target in entity.refs),
        node=None if entity.node is None else ids[entity.node],
    )


def _copied_link(link: Link, ids: Mapping[str, str]) -> Link:
    one = ids.get(link.type1, link.type1), ids[link.id1]
    other = ids.get(link.type2, link.type2), ids[link.id2]
    fresh = Link.between(one, other, link.published_ms)
    return replace(
        fresh,
        updated_ms=link.updated_ms,
        box=link.box,
        node=None if link.node is None else ids[link.node],
    )
