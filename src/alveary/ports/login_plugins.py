"""Logins that others vouch for: plug-ins, each of which takes a grant type of its own.

A package adds some by an entry point of the group ``alveary.auth`` that names a :class:`PluginFactory`; its name is
that of their table of settings. What does not belong here: which account may log in (``usecases.logins``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from alveary.obs import Log
from alveary.ports.clock import Clock
from alveary.ports.outbound import Outbound


class Reason(Enum):
    """Why a plug-in names no account."""

    INVALID = auto()
    """What the client sent proves nothing: it is missing, forged, too old, or meant for somebody else."""
    UNTRUSTED_CLIENT = auto()
    """The client is not one that may bring such a proof."""
    UNAVAILABLE = auto()
    """Whoever vouches does not answer now; later it may."""
    BROKEN = auto()
    """Whoever vouches answers what makes no sense, or may not be asked: the operator has to look."""


class LoginProblem(Exception):  # noqa: N818 - the story of a login, not a fault of ours
    """No account is named; the text says why, for the client to read."""

    def __init__(self, reason: Reason, cause: str) -> None:
        super().__init__(cause)
        self.reason = reason


class LoginPlugin(Protocol):
    """Finds out from a token request who is asking."""

    @property
    def grant_type(self) -> str:
        """The ``grant_type`` of the requests that it takes."""

    @property
    def account_type(self) -> str:
        """The word that the Type of an account must hold to be logged in by it, such as ``oidc:google``."""

    async def identify(self, form: Mapping[str, str]) -> str:
        """The name of the account that *form* proves to be asking; whether there is one is not its to know.

        Raises:
            LoginProblem: *form* proves nothing, or that cannot be found out.
        """


@dataclass(frozen=True, slots=True)
class PluginContext:
    """What a plug-in gets: its table of settings, and what it may use of the unit.

    ``clock_skew_s`` is how far the clocks of others may be off.
    """

    settings: Mapping[str, object]
    outbound: Outbound
    clock: Clock
    log: Log
    clock_skew_s: int


PluginFactory = Callable[[PluginContext], Sequence[LoginPlugin]]
"""Makes the plug-ins of an entry point; a ValueError says in a sentence which setting is wrong."""
