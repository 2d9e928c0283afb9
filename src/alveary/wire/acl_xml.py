"""Access control lists in XML: the body of the ACL method, and the ``acl`` property of a PROPFIND.

What does not belong here: whether a role exists, and who may see an ACL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, urljoin, urlsplit

from lxml import etree

from alveary.errors import ACL_INVALID, ACL_ROLE_MISSING, XML_CONTENT, Refusal
from alveary.model import acl as acls
from alveary.model.acl import SCHEMA_AUTHZ_LEVELS
from alveary.model.privileges import (
    DAV_NAMESPACE,
    NAMESPACE,
    PERSONIUM_NAMESPACE,
    BoxPrivilege,
    CellPrivilege,
    Privilege,
)
from alveary.wire import xml
from alveary.wire.xml import DAV, PERSONIUM, XML_BASE

REQUIRE_SCHEMA_AUTHZ: Final = f"{PERSONIUM}requireSchemaAuthz"
_NAMED_IN_DAV: Final = {f"{DAV}{word}": word for word in (acls.ALL, acls.AUTHENTICATED, acls.UNAUTHENTICATED)}
_ELEMENTS: Final[dict[str, Privilege]] = {f"{{{ns}}}{each.value}": each for each, ns in NAMESPACE.items()} | {
    # The documentation spells these in DAV's namespace, the server in its own: both are understood.
    f"{{{ns}}}{each.value}": each
    for each in BoxPrivilege
    for ns in (DAV_NAMESPACE, PERSONIUM_NAMESPACE)
}


@dataclass(frozen=True, slots=True)
class RoleRef:
    """A role as an ACL names it: its box (``__`` for none) and its name."""

    box: str
    name: str


Principal = RoleRef | str
"""A role, or one of the words for everyone, those who are known and those who are not."""


@dataclass(frozen=True, slots=True)
class WrittenAce:
    """One entry as it is written; ``inherited`` is the URL of the resource above that it stands on."""

    principal: Principal
    privileges: tuple[Privilege, ...]
    inherited: str | None = None


@dataclass(frozen=True, slots=True)
class WrittenAcl:
    """An ACL as it is written."""

    aces: tuple[WrittenAce, ...]
    require_schema_authz: str | None


def parse(
    text: bytes, cell_url: str, canonical: Callable[[str], str], *, max_depth: int, max_entries: int
) -> WrittenAcl:
    """The ACL that a request's body asks for. Inherited entries are left out, and what an entry grants twice is once.

    *cell_url* ends in a slash; *canonical* spells a URL of the unit as the unit does.

    Raises:
        Refusal: XML_CONTENT (broken XML or another element), ACL_INVALID, ACL_ROLE_MISSING (no role of this cell).
    """
    root = xml.parse(text, max_depth=max_depth, refusal=XML_CONTENT)
    if root.tag != f"{DAV}acl":
        raise Refusal(XML_CONTENT)
    level = root.get(REQUIRE_SCHEMA_AUTHZ, root.get("requireSchemaAuthz"))
    if level is not None and level not in SCHEMA_AUTHZ_LEVELS:
        raise Refusal(ACL_INVALID, cause=f"requireSchemaAuthz [{level}]")
    base = canonical(root.get(XML_BASE, ""))
    entries = [entry for entry in root.findall(f"{DAV}ace") if entry.find(f"{DAV}inherited") is None]
    if len(entries) > max_entries:
        raise Refusal(ACL_INVALID, cause=f"more than {max_entries} entries")
    return WrittenAcl(tuple(_ace(entry, base, cell_url, canonical) for entry in entries), level)


def _ace(entry: etree._Element, base: str, cell_url: str, canonical: Callable[[str], str]) -> WrittenAce:
    for unsupported in ("invert", "deny", "protected"):
        if entry.find(f"{DAV}{unsupported}") is not None:
            raise Refusal(ACL_INVALID, cause=f"[{unsupported}] is not supported")
    principal, grant = entry.find(f"{DAV}principal"), entry.find(f"{DAV}grant")
    if principal is None or len(principal) != 1:
        raise Refusal(ACL_INVALID, cause="an ace without one principal")
    if grant is None:
        raise Refusal(ACL_INVALID, cause="an ace without a grant")
    return WrittenAce(_principal(principal[0], base, cell_url, canonical), tuple(dict.fromkeys(_privileges(grant))))


def _principal(element: etree._Element, base: str, cell_url: str, canonical: Callable[[str], str]) -> Principal:
    word = _NAMED_IN_DAV.get(element.tag)
    if word is not None:
        return word
    href = (element.text or "").strip()
    if element.tag != f"{DAV}href" or not href:
        raise Refusal(ACL_INVALID, cause="a principal without a role")
    return role_ref(canonical(urljoin(base, href)), cell_url)


def role_ref(url: str, cell_url: str) -> RoleRef:
    """The role that *url* names in the cell of *cell_url*; ports are not compared.

    Raises:
        Refusal: ACL_ROLE_MISSING.
    """
    try:
        asked, cell = urlsplit(url), urlsplit(cell_url)
        same = (asked.scheme, asked.hostname) == (cell.scheme, cell.hostname)
    except ValueError:
        raise Refusal(ACL_ROLE_MISSING) from None
    parts = [unquote(part) for part in asked.path.removeprefix(cell.path).split("/")]
    if not same or not asked.path.startswith(cell.path) or len(parts) != 3 or parts[0] != "__role":
        raise Refusal(ACL_ROLE_MISSING)
    return RoleRef(parts[1], parts[2])


def _privileges(grant: etree._Element) -> Iterator[Privilege]:
    elements = grant.findall(f"{DAV}privilege")
    if not elements:
        raise Refusal(ACL_INVALID, cause="a grant without a privilege")
    for element in elements:
        if len(element) != 1:
            raise Refusal(ACL_INVALID, cause="a privilege that is none or several")
        privilege = _ELEMENTS.get(element[0].tag)
        if privilege is None:
            raise Refusal(ACL_INVALID, cause=f"the privilege [{etree.QName(element[0]).localname}]")
        yield privilege


def render(aces: Sequence[WrittenAce], require_schema_authz: str | None, base: str, further: str = "") -> str:
    """The ``acl`` property, where ``DAV:`` is the default namespace; *base* is the URL of the box's roles.

    *further* entries, by :func:`render_entries` with the same *base*, stand behind *aces*.
    """
    level = "" if require_schema_authz is None else f' p:requireSchemaAuthz="{require_schema_authz}"'
    entries = render_entries(aces, base) + further
    return f'<acl xmlns:p="{PERSONIUM_NAMESPACE}" xml:base="{xml.escape(base)}"{level}>{entries}</acl>'


def render_entries(aces: Sequence[WrittenAce], base: str) -> str:
    """Entries for the inside of the ``acl`` property with that *base*."""
    box = unquote(base.rstrip("/").rpartition("/")[2])
    return "".join(_render_ace(ace, box) for ace in aces)


def _render_ace(ace: WrittenAce, box: str) -> str:
    principal = ace.principal
    if isinstance(principal, RoleRef):
        name = quote(principal.name)
        path = name if principal.box == box else f"../{quote(principal.box)}/{name}"
        who = f"<href>{xml.escape(path)}</href>"
    else:
        who = f"<{principal}/>"
    granted = "".join(f"<privilege><{_spelled(each)}/></privilege>" for each in ace.privileges)
    inherited = "" if ace.inherited is None else f"<inherited><href>{xml.escape(ace.inherited)}</href></inherited>"
    return f"<ace><principal>{who}</principal><grant>{granted}</grant>{inherited}</ace>"


def _spelled(privilege: Privilege) -> str:
    return privilege.value if NAMESPACE[privilege] == DAV_NAMESPACE else f"p:{privilege.value}"


def check_level(acl: WrittenAcl, *, of_cell: bool) -> None:
    """Return when every privilege may be granted on a cell (*of_cell*) or on what is in one of its boxes.

    Raises:
        Refusal: ACL_INVALID.
    """
    if of_cell:
        return
    for ace in acl.aces:
        for privilege in ace.privileges:
            if isinstance(privilege, CellPrivilege):
                raise Refusal(ACL_INVALID, cause=f"the privilege [{privilege}] is the cell's")
