"""Access control lists as values: who is granted what on one resource.

Entries only grant, their order never matters, and nothing granted above can be taken away below. What does not
belong here: XML and JSON forms (``wire``) and the walk up the tree (``usecases.access``).
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Final

from alveary.model.privileges import Privilege

ALL: Final = "all"
AUTHENTICATED: Final = "authenticated"
UNAUTHENTICATED: Final = "unauthenticated"

SCHEMA_AUTHZ_LEVELS: Final = ("none", "public", "confidential")
"""What ``requireSchemaAuthz`` may say, from the weakest to the strongest."""


@dataclass(frozen=True, slots=True)
class Ace:
    """One entry: a principal (a role's id, or one of the three words above) and the privileges it is granted."""

    principal: str
    privileges: tuple[Privilege, ...]


@dataclass(frozen=True, slots=True)
class Acl:
    """What one resource grants, and the app authentication it asks for (None: whatever stands above it says)."""

    aces: tuple[Ace, ...] = ()
    require_schema_authz: str | None = None

    def grants(self, granting: Set[Privilege], principals: Set[str]) -> bool:
        """Whether any of *principals* holds any of the *granting* privileges here."""
        for ace in self.aces:  # noqa: SIM110 - on every request: a generator takes half as long again
            if ace.principal in principals and not granting.isdisjoint(ace.privileges):
                return True
        return False


EMPTY: Final = Acl()
