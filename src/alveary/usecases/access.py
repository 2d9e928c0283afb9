"""Who is asking, and whether they may: the one privilege check.

Order of the check: the unit's own users, password-change tokens, the app authentication that the box asks for, Basic
where it is not accepted, then the grants of the resource and of all that stands above it, up to the cell. What does
not belong here: how a token is read (``authentication``) and which call needs what (each use case says so itself).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, StrEnum, auto
from typing import Final, Protocol, TypeVar

from alveary.errors import (
    AUTH_REQUIRED,
    LACKS_PRIVILEGE,
    NOT_OWNER_OF_CELL,
    PASSWORD_CHANGE_TOKEN,
    SCHEMA_LEVEL_TOO_LOW,
    SCHEMA_MISMATCH,
    SCOPE_TOO_SMALL,
    UNIT_USER_NEEDED,
    Kind,
    Refusal,
)
from alveary.model import acl as acls
from alveary.model.acl import Acl
from alveary.model.apps import CONFIDENTIAL, app_of
from alveary.model.cell import Cell
from alveary.model.edm_values import EdmType
from alveary.model.entities import EntityKind
from alveary.model.names import MAIN_BOX
from alveary.model.privileges import GRANTED_BY, READING, BoxPrivilege, CellPrivilege, Privilege
from alveary.model.queries import Column, Compare, Comparison, Literal, Query
from alveary.model.tree import Box, Node, Place, takes_basic
from alveary.model.values import frozen
from alveary.ports import Ports
from alveary.ports.store import NodeReader, ReadTx
from alveary.wire.dav_if import Condition

H = TypeVar("H")
H_co = TypeVar("H_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


class Who(StrEnum):
    """What kind of subject a request has."""

    ANONYMOUS = "anonymous"
    REFUSED = "refused"
    PASSWORD_CHANGE = "password change"  # noqa: S105  # nosec B105 - a kind of subject
    ACCOUNT = "account"
    VISITOR = "visitor"
    UNIT_USER = "unit user"
    UNIT_ADMIN = "unit admin"


_OF_A_CELL: Final = frozenset({Who.ACCOUNT, Who.VISITOR})
_STRANGERS: Final = frozenset({Who.ANONYMOUS, Who.REFUSED})
EVERYONE: Final = frozenset({acls.ALL, acls.UNAUTHENTICATED})
"""The principals of those whom nothing is known of."""


class ContentsRole(StrEnum):
    """What a unit user may do with the contents of cells."""

    NONE = "none"
    READER = "reader"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Need:
    """What a call needs on a path: a privilege where something is there, another where nothing is.

    ``on_parent``: the first is needed on the collection above instead of on the resource itself. Where nothing is,
    the nearest thing above is asked.
    """

    present: BoxPrivilege
    absent: BoxPrivilege
    on_parent: bool = False


class Doing(Enum):
    """What a call does with the entities of a set."""

    READ = auto()
    WRITE = auto()


@frozen
class Concern:
    """What a call on entities is about: a set by its name, and the navigation property along which it goes on.

    ``links_alone``: only which entities are linked is told or changed, not the entities at the other end.
    """

    entity_set: str
    navigation: str | None = None
    links_alone: bool = False


class Guarded(Protocol[H_co]):
    """What knows which privileges the calls on its entity sets need."""

    async def admit(self, ports: Ports, access: Access, concern: Concern, doing: Doing) -> H_co:
        """What there is, once the subject may do that with it."""

    async def admit_any(self, ports: Ports, access: Access, doings: Sequence[Doing]) -> H_co:
        """The same, once the subject may do one of those with any set."""


class Opened(Protocol[T_contra, H_co]):
    """The same within a transaction."""

    async def open(self, tx: T_contra, access: Access, concern: Concern, doing: Doing) -> H_co:
        """What there is, once the subject may do that with it."""


class _HasNodes(Protocol):
    @property
    def nodes(self) -> NodeReader: ...


@frozen
class BoxPath:
    """A box's name and the names below it."""

    box: str
    segments: tuple[str, ...]


@frozen
class Claim:
    """What a request's If header says: lists of conditions, of which one must hold whole.

    Each list is of what is at its path, None for the request's own.
    """

    lists: tuple[tuple[BoxPath | None, tuple[Condition, ...]], ...] = ()

    @property
    def tokens(self) -> frozenset[str]:
        """The lock tokens that it submits: all it names, whether its conditions ask for them or not."""
        return frozenset(each.state for _, conditions in self.lists for each in conditions if each.is_token)


NO_CLAIM: Final = Claim()

Look = Callable[[ReadTx, Place], Awaitable[None]]
"""What else is asked about a place, in the state in which it was found."""


@frozen
class Access:
    """Who is asking.

    ``principals`` are the ids of the subject's roles and the words that an ACL may grant to. ``scopes`` bound what
    a token gives at cell level. ``schema`` is the app that the token was issued to, ending in ``#c`` when that app is
    confidential. ``refusal`` says why credentials that came were not accepted: they give what everyone has.
    ``until_ms`` is when the token ends that gave all this, ``family`` and ``epoch`` are those of a local token.
    ``request_key`` names the request in what it leaves. ``claim`` is what it submits to open WebDAV locks.
    """

    cell: Cell | None
    who: Who
    principals: frozenset[str]
    cell_acl: Acl
    subject: str | None = None
    account_id: str | None = None
    schema: str | None = None
    scopes: frozenset[str] = frozenset()
    basic: bool = False
    contents_role: ContentsRole = ContentsRole.NONE
    refusal: Kind | None = None
    until_ms: int | None = None
    family: str | None = None
    epoch: str | None = None
    request_key: str = ""
    claim: Claim = NO_CLAIM

    def asking(self, request_key: str) -> Access:
        """The same subject in a request of that key; spelled out, as ``replace`` takes four times as long."""
        return Access(
            self.cell,
            self.who,
            self.principals,
            self.cell_acl,
            self.subject,
            self.account_id,
            self.schema,
            self.scopes,
            self.basic,
            self.contents_role,
            self.refusal,
            self.until_ms,
            self.family,
            self.epoch,
            request_key,
            self.claim,
        )

    @property
    def here(self) -> Cell:
        """The cell of a cell-level call.

        Raises:
            Refusal: UNIT_USER_NEEDED when this is none.
        """
        if self.cell is None:
            raise Refusal(UNIT_USER_NEEDED)
        return self.cell

    # Cell level

    def require(self, privilege: CellPrivilege) -> None:
        """Return when the subject holds *privilege* on the cell.

        Raises:
            Refusal: AUTH_REQUIRED, LACKS_PRIVILEGE, PASSWORD_CHANGE_TOKEN, SCOPE_TOO_SMALL.
        """
        if self._unit_may(privilege):
            return
        if self.who is Who.PASSWORD_CHANGE:
            raise Refusal(PASSWORD_CHANGE_TOKEN)
        known = self._without_basic()
        if not self.cell_acl.grants(GRANTED_BY[privilege], known.principals):
            raise known._refused()
        if known.who in _OF_A_CELL and GRANTED_BY[privilege].isdisjoint(known.scopes):
            raise Refusal(SCOPE_TOO_SMALL, privilege=privilege)

    def may(self, privilege: CellPrivilege) -> bool:
        """Whether :meth:`require` would return."""
        try:
            self.require(privilege)
        except Refusal:
            return False
        return True

    def require_account(self, privilege: CellPrivilege) -> tuple[Cell, str]:
        """The cell and id of the subject's own account; its token's scope, not an ACL, must cover *privilege*.

        A password-change token will do.

        Raises:
            Refusal: AUTH_REQUIRED, LACKS_PRIVILEGE, SCOPE_TOO_SMALL.
        """
        self._require_token()
        if self.cell is None or self.account_id is None:
            raise Refusal(LACKS_PRIVILEGE)
        if self.who is Who.ACCOUNT and GRANTED_BY[privilege].isdisjoint(self.scopes):
            raise Refusal(SCOPE_TOO_SMALL, privilege=privilege)
        return self.cell, self.account_id

    def require_known(self, authorization: str | None = None) -> None:
        """Return when the request says at all who sent it, be it an app by *authorization*.

        Raises:
            Refusal: AUTH_REQUIRED, or why the credentials were not accepted; PASSWORD_CHANGE_TOKEN.
        """
        if self.who is Who.PASSWORD_CHANGE:
            raise Refusal(PASSWORD_CHANGE_TOKEN)
        if authorization is None:
            self._require_token()

    def _require_token(self) -> None:
        if self.basic or self.who in _STRANGERS:
            raise Refusal(self.refusal or AUTH_REQUIRED)

    # Unit level

    def require_unit(self) -> None:
        """Return when the subject is one of the unit: a unit user or an administrator.

        Raises:
            Refusal: AUTH_REQUIRED, UNIT_USER_NEEDED, PASSWORD_CHANGE_TOKEN.
        """
        if self.who not in {Who.UNIT_ADMIN, Who.UNIT_USER}:
            raise self._without_basic()._refused(UNIT_USER_NEEDED)

    def require_admin(self) -> None:
        """Return when the subject is an administrator of the unit.

        Raises:
            Refusal: AUTH_REQUIRED, UNIT_USER_NEEDED, LACKS_PRIVILEGE, PASSWORD_CHANGE_TOKEN.
        """
        self.require_unit()
        if self.who is not Who.UNIT_ADMIN:
            raise Refusal(LACKS_PRIVILEGE)

    def require_owner(self, cell: Cell) -> None:
        """Return when the subject is of the unit and *cell* is theirs; an administrator's is every cell.

        Raises:
            Refusal: AUTH_REQUIRED, UNIT_USER_NEEDED, NOT_OWNER_OF_CELL, PASSWORD_CHANGE_TOKEN.
        """
        self.require_unit()
        if self.who is Who.UNIT_USER and (cell.owner is None or cell.owner != self.subject):
            raise Refusal(NOT_OWNER_OF_CELL)

    def require_owned(self) -> None:
        """Return when the subject is of the unit and the cell of this call is theirs: no other unit user will do.

        Raises:
            Refusal: AUTH_REQUIRED, UNIT_USER_NEEDED, PASSWORD_CHANGE_TOKEN.
        """
        if not self.owns:
            raise self._without_basic()._refused(UNIT_USER_NEEDED)

    @property
    def owns(self) -> bool:
        """Whether the subject is of the unit and the cell is theirs."""
        if self.who is Who.UNIT_ADMIN:
            return True
        return self.who is Who.UNIT_USER and self.cell is not None and self.cell.owner == self.subject

    def _unit_may(self, privilege: Privilege) -> bool:
        if self.contents_role is ContentsRole.NONE or not self.owns:
            return False
        return self.contents_role is ContentsRole.ADMIN or privilege in READING

    # Box level

    async def require_at(self, ports: Ports, path: BoxPath, need: Need, look: Look | None = None) -> Place:
        """What *path* leads to, once the subject may do there what *need* says; also when nothing is there.

        *look* goes on from there in the same state.

        Raises:
            Refusal: AUTH_REQUIRED, LACKS_PRIVILEGE, PASSWORD_CHANGE_TOKEN, SCHEMA_MISMATCH,
                SCHEMA_LEVEL_TOO_LOW; what *look* raises.
        """

        async def find(tx: ReadTx) -> Place:
            place = await self.judge(tx, path, need)
            if look is not None:
                await look(tx, place)
            return place

        return await ports.store.contents(self.here).read(find)

    async def require_box_of(self, ports: Ports, schema: str | None) -> Box:
        """The box of the app with that schema (None: the subject's own), for the app itself and who may read there.

        Raises:
            Refusal: as :meth:`require_at`; LACKS_PRIVILEGE too when there is no such box.
        """
        own = app_of(self.schema)
        wanted = own if schema is None else schema

        async def find(tx: ReadTx) -> Box:
            name = await self._box_of(ports, tx, wanted) if wanted else None
            place = await tx.nodes.locate(name, ()) if name is not None else None
            if place is None or place.box is None:
                raise self._without_basic()._refused()
            if not own or own != place.box.schema:
                self.require_on(place, place.chain, BoxPrivilege.READ)
            return place.box

        return await ports.store.contents(self.here).read(find)

    async def require_set(self, ports: Ports, service: Guarded[H], concern: Concern, doing: Doing) -> H:
        """What *service* has, once the subject may do that with its entity sets.

        Raises:
            Refusal: as :meth:`require` and :meth:`require_at`.
        """
        return await service.admit(ports, self, concern, doing)

    async def require_in(self, tx: T_contra, service: Opened[T_contra, H], concern: Concern, doing: Doing) -> H:
        """The same within a transaction, of which it is the first statement.

        Raises:
            Refusal: as :meth:`require_set`.
        """
        return await service.open(tx, self, concern, doing)

    async def require_any(self, ports: Ports, service: Guarded[H], *doings: Doing) -> H:
        """What *service* has, once the subject may do one of those with any of its entity sets.

        Raises:
            Refusal: as :meth:`require` and :meth:`require_at`.
        """
        return await service.admit_any(ports, self, doings)

    async def judge(self, tx: _HasNodes, path: BoxPath, need: Need) -> Place:
        """The same within a transaction: what a write asks again before it changes anything.

        Raises:
            Refusal: as :meth:`require_at`.
        """
        place = await tx.nodes.locate(path.box, path.segments)
        if place.node is None:
            self.require_on(place, place.chain, need.absent)
        else:
            self.require_on(place, place.chain[:-1] if need.on_parent else place.chain, need.present)
        return place

    def require_on(self, place: Place, chain: Sequence[Node], privilege: BoxPrivilege) -> None:
        """Return when the subject holds *privilege* on the last node of *chain*, which begins with the cell's own.

        Raises:
            Refusal: as :meth:`require_at`.
        """
        if self._unit_may(privilege):
            return
        if self.who is Who.PASSWORD_CHANGE:
            raise Refusal(PASSWORD_CHANGE_TOKEN)
        schema = place.box.schema if place.box else None
        self._require_schema(schema, chain)
        known = self if takes_basic(place.box) else self._without_basic()
        granting = GRANTED_BY[privilege]
        for node in reversed(chain):
            if node.acl.grants(granting, known.principals):
                return
        raise known._refused()

    def may_on(self, place: Place, chain: Sequence[Node], privilege: BoxPrivilege) -> bool:
        """Whether :meth:`require_on` would return."""
        try:
            self.require_on(place, chain, privilege)
        except Refusal:
            return False
        return True

    @property
    def holder(self) -> str:
        """Whose the locks are that the subject makes; all who have not said who they are count as one."""
        if self.who in {Who.ANONYMOUS, Who.REFUSED}:
            return ""
        return f"{self.who.value}:{self.account_id or self.subject or ''}"

    def require_own(self, holder: str) -> None:
        """Return when a lock of *holder* is the subject's own.

        Raises:
            Refusal: AUTH_REQUIRED, LACKS_PRIVILEGE.
        """
        if holder != self.holder:
            raise self._refused()

    def require_holder(self, holder: str) -> None:
        """Return when a lock of *holder* is the subject's own, or the subject may do anything as one of the unit.

        Raises:
            Refusal: AUTH_REQUIRED, LACKS_PRIVILEGE.
        """
        if not self._unit_may(BoxPrivilege.WRITE_CONTENT):
            self.require_own(holder)

    def _require_schema(self, box_schema: str | None, chain: Sequence[Node]) -> None:
        level = None
        for node in reversed(chain):
            level = node.acl.require_schema_authz
            if level is not None:
                break
        if level is None or level == "none" or self.owns:
            return
        if self.who in _STRANGERS:
            raise self._refused()
        if self.schema is None:
            # A running Personium names the mismatch, not the lack, where the box belongs to an app.
            raise Refusal(SCHEMA_MISMATCH if box_schema is not None else SCHEMA_LEVEL_TOO_LOW)
        if box_schema is not None and app_of(self.schema) != box_schema:
            raise Refusal(SCHEMA_MISMATCH)
        if level == "confidential" and not self.schema.endswith(CONFIDENTIAL):
            raise Refusal(SCHEMA_LEVEL_TOO_LOW)

    def _without_basic(self) -> Access:
        """What is left of the subject where Basic authentication will not do: what everyone has."""
        if not self.basic:
            return self
        return replace(self, who=Who.REFUSED, principals=EVERYONE, basic=False, refusal=AUTH_REQUIRED)

    def _refused(self, lacking: Kind = LACKS_PRIVILEGE) -> Refusal:
        """Why the subject is not let in: it is not known, or *lacking*."""
        if self.who is Who.PASSWORD_CHANGE:
            return Refusal(PASSWORD_CHANGE_TOKEN)
        if self.refusal is not None:
            return Refusal(self.refusal)
        return Refusal(AUTH_REQUIRED if self.who is Who.ANONYMOUS else lacking)

    async def _box_of(self, ports: Ports, tx: ReadTx, schema: str) -> str | None:
        """The name of the box of the app with that schema; the main box is the cell's own."""
        if schema == ports.urls.to_local(ports.urls.cell_url(self.here.name)):
            return MAIN_BOX
        is_its = Compare(Comparison.EQ, Column(EdmType.STRING, path=("Schema",)), Literal(schema))
        found = await tx.entities.query(Query(EntityKind.BOX, where=is_its, top=1))
        return found[0].key if found else None
