"""The forms of values that are more than a number, a truth value or a word.

What does not belong here: which options have them (``sections``), and where they are read from (``reading``).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Hosts = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network | str, ...]
"""Networks and host names."""

Tables = Mapping[str, Mapping[str, object]]
"""Settings of plug-ins by their names: what is in a table is theirs to say."""


class ConfigError(Exception):
    """One sentence that names the option and where its value came from, never the value of a secret."""


class Secret(str):
    """A text that no ``repr`` shows."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Whether there is one, and no more."""
        return "Secret(set)" if self else "Secret(unset)"


@dataclass(frozen=True, slots=True)
class Bind:
    """Where the server listens; port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        """In the form that :meth:`parse` reads."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, raw: str) -> Self:
        """``HOST:PORT`` or ``[IPV6]:PORT``; else ValueError."""
        host, colon, port = raw.rpartition(":")
        bare = host.removeprefix("[").removesuffix("]")
        if not colon or not bare or (":" in bare) != host.startswith("["):
            raise ValueError("it must have the form HOST:PORT or [IPV6]:PORT")
        if not (port.isascii() and port.isdigit() and int(port) <= 65_535):
            raise ValueError("the port must be a number from 0 to 65535")
        return cls(bare, int(port))


class Url(str):
    """An absolute http or https URL that ends in a slash, without credentials, query or fragment."""

    __slots__ = ()

    @classmethod
    def parse(cls, raw: str) -> Self:
        """*raw* with its final slash; else ValueError."""
        parts = urlsplit(raw)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("it must be an absolute http or https URL")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("it must have no credentials, query or fragment")
        return cls(raw if raw.endswith("/") else raw + "/")


@dataclass(frozen=True, slots=True)
class Layers:
    """A count for each layer of nested types, the entity type first; None leaves it to the total alone."""

    counts: tuple[int | None, ...]

    def __str__(self) -> str:
        """In the form that :meth:`parse` reads."""
        return ",".join("*" if count is None else str(count) for count in self.counts)

    @classmethod
    def parse(cls, raw: str) -> Self:
        """Numbers or ``*``, separated by commas; else ValueError."""
        if not re.fullmatch(r"(\*|\d{1,9})(,(\*|\d{1,9}))*", raw):
            raise ValueError("it must be numbers or *, separated by commas")
        return cls(tuple(None if count == "*" else int(count) for count in raw.split(",")))
