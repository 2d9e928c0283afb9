"""Accounts: who may log in, from where, and in what state.

What does not belong here: password hashes (``usecases.passwords``) and the entity set's grammar (``model.edm``).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from alveary.errors import FIELD_FORMAT, Refusal
from alveary.model.entities import Entity, JsonValue

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

BASIC_TYPE: Final = "basic"
"""The type of an account that proves who it is by its password; other types are those of login plug-ins."""


class AccountStatus(StrEnum):
    """What an account may do."""

    ACTIVE = "active"
    DEACTIVATED = "deactivated"
    PASSWORD_CHANGE_REQUIRED = "passwordChangeRequired"  # noqa: S105  # nosec B105 - a status, no password


@dataclass(frozen=True, slots=True)
class IPRange:
    """The addresses from which an account may log in: networks, none of them meaning everywhere."""

    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()

    @classmethod
    def parse(cls, raw: object) -> Self:
        """A comma-separated list of addresses and CIDR networks, without blanks; None or empty means everywhere.

        Raises:
            Refusal: FIELD_FORMAT.
        """
        if raw is None or raw == "":
            return cls()
        if not isinstance(raw, str):
            raise Refusal(FIELD_FORMAT, field="IPAddressRange")
        try:
            return cls(tuple(_network(part) for part in raw.split(",")))
        except ValueError:
            raise Refusal(FIELD_FORMAT, field="IPAddressRange") from None

    def admits(self, address: Address | None) -> bool:
        """Whether a login from *address* is allowed; an unknown address is admitted by no range."""
        if not self.networks:
            return True
        if address is None:
            return False
        return any(address in network for network in self.networks if network.version == address.version)


def _network(part: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    network = ipaddress.ip_network(part, strict=False)
    if "/" in part and network.prefixlen == 0:
        raise ValueError("a range of every address is no range")
    return network


@dataclass(frozen=True, slots=True)
class Credential:
    """A stored password hash in Personium's text form, its algorithm's name and the attributes that go with it."""

    algorithm: str
    hashed: str
    attributes: str | None

    @classmethod
    def of(cls, hidden: Mapping[str, JsonValue]) -> Self | None:
        """The credential in an account's hidden fields, None when it has none."""
        hashed = hidden.get("HashedCredential")
        if not isinstance(hashed, str) or not hashed:
            return None
        algorithm, attributes = hidden.get("HashAlgorithm"), hidden.get("HashAttributes")
        return cls(
            algorithm=algorithm if isinstance(algorithm, str) and algorithm else "sha-256",
            hashed=hashed,
            attributes=attributes if isinstance(attributes, str) else None,
        )

    def as_hidden(self) -> dict[str, JsonValue]:
        """The hidden fields that hold this credential."""
        return {
            "HashedCredential": self.hashed,
            "HashAlgorithm": self.algorithm,
            "HashAttributes": self.attributes,
        }


@dataclass(frozen=True, slots=True)
class Epoch:
    """Which tokens of an account count: those made since its password was last set, or had to be.

    ``name`` is what they say, None before the first change; ``kept`` is the family that goes on from before: that of
    the login which set the password itself.
    """

    # A name and not a moment: a login that proves the old password while the new one is saved gets its token later,
    # and a refresh as well, but both say the epoch in which they found the account.
    name: str | None = None
    kept: str | None = None

    @classmethod
    def of(cls, hidden: Mapping[str, JsonValue]) -> Self:
        """The epoch in an account's hidden fields."""
        name, kept = hidden.get("TokenEpoch"), hidden.get("TokenEpochKept")
        return cls(name if isinstance(name, str) else None, kept if isinstance(kept, str) else None)

    def as_hidden(self) -> dict[str, JsonValue]:
        """The hidden fields that hold this epoch."""
        return {"TokenEpoch": self.name, "TokenEpochKept": self.kept}

    def counts(self, name: str | None, family: str) -> bool:
        """Whether a token of *family* that says the epoch *name* is good in this one."""
        return name == self.name or family == self.kept


@dataclass(frozen=True, slots=True)
class Account:
    """An account as authentication sees it."""

    id: str
    name: str
    types: frozenset[str]
    status: AccountStatus
    addresses: IPRange
    credential: Credential | None
    epoch: Epoch = Epoch()

    @classmethod
    def of(cls, entity: Entity) -> Self:
        """The account that *entity* describes."""
        status = entity.values.get("Status")
        return cls(
            id=entity.id,
            name=entity.key,
            types=frozenset(str(entity.values.get("Type") or BASIC_TYPE).split(" ")),
            status=AccountStatus(status) if isinstance(status, str) else AccountStatus.ACTIVE,
            addresses=IPRange.parse(entity.values.get("IPAddressRange")),
            credential=Credential.of(entity.hidden),
            epoch=Epoch.of(entity.hidden),
        )
