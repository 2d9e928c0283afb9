"""What the reserved properties of a cell say: settings that its owner keeps on its root.

What does not belong here: properties that only clients read (``properties``).
"""

from __future__ import annotations

from typing import Final

from alveary.model.privileges import PERSONIUM_NAMESPACE
from alveary.model.tree import Node
from alveary.wire import xml

_UNRECORDED: Final = "accountsnotrecordingauthhistory"
_REPRESENTATIVES: Final = "ownerRepresentativeAccounts"
_STORED_DEPTH: Final = 1_000
"""More than any limit lets in: what is stored was parsed when it came."""


def unrecorded_accounts(root: Node) -> frozenset[str]:
    """The names of the accounts whose logins leave no history: a list with commas."""
    return frozenset(name.strip() for name in "".join(_texts(root, _UNRECORDED)).split(","))


def representatives(root: Node) -> frozenset[str]:
    """The names of the accounts that may act as the cell's owner: one in each child element."""
    return frozenset(name for text in _texts(root, _REPRESENTATIVES) if (name := text.strip()))


def text_of(root: Node, name: str) -> str | None:
    """The text of the property of that name, without blanks around it; None when there is none."""
    return "".join(_texts(root, name)).strip() or None


def _texts(root: Node, name: str) -> list[str]:
    element = root.properties.get(f"{name}@{PERSONIUM_NAMESPACE}")
    return (
        []
        if element is None
        else [str(each) for each in xml.parse(element.encode(), max_depth=_STORED_DEPTH).itertext()]
    )
