"""Where the two words on WebDAV differ: Personium's and RFC 4918's, one field for each difference.

``dav.semantics`` chooses between them. What does not belong here: what both say alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from alveary.errors import BAD_HEADER, FOREIGN_DESTINATION, Kind


@dataclass(frozen=True, slots=True)
class DavSemantics:
    """What holds where the two differ.

    ``strict_names``: names without spaces and the characters that Windows refuses. ``overwrites``: COPY and MOVE
    without ``Overwrite`` replace what is at their destination; ``replaces_collections``: be it a collection.
    ``deletes_full``: DELETE takes a collection with all that is in it, without X-Personium-Recursive.
    ``checks_bodies``: MKCOL refuses a body that is no XML with 415. ``foreign`` is how a Destination elsewhere is
    refused. ``needs_depth``: PROPFIND without Depth is refused, else it means infinity; ``infinity``: that is served
    whatever the option says. ``tells_missing``: removing a property that is not there is told as 404, else as 200.
    ``echoes_values``: the answer to PROPPATCH repeats values, else names alone. ``slashes``: hrefs of collections end
    in a slash. ``tells_locks``: those are among all properties. ``classes`` is the header ``DAV``.
    """

    strict_names: bool
    overwrites: bool
    replaces_collections: bool
    deletes_full: bool
    checks_bodies: bool
    foreign: Kind
    needs_depth: bool
    infinity: bool
    tells_missing: bool
    echoes_values: bool
    slashes: bool
    tells_locks: bool
    classes: str


SEMANTICS: Final[Mapping[str, DavSemantics]] = {
    "personium": DavSemantics(
        strict_names=True,
        overwrites=False,
        replaces_collections=False,
        deletes_full=False,
        checks_bodies=False,
        foreign=BAD_HEADER,
        needs_depth=True,
        infinity=False,
        tells_missing=True,
        echoes_values=True,
        slashes=False,
        tells_locks=False,
        classes="1, 2",
    ),
    "rfc4918": DavSemantics(
        strict_names=False,
        overwrites=True,
        replaces_collections=True,
        deletes_full=True,
        checks_bodies=True,
        foreign=FOREIGN_DESTINATION,
        needs_depth=False,
        infinity=True,
        tells_missing=False,
        echoes_values=False,
        slashes=True,
        tells_locks=True,
        classes="1, 2, 3",
    ),
}
"""By the value of ``dav.semantics``."""
