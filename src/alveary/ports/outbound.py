"""The way out: documents of other hosts, fetched under a policy that says where the unit may reach.

What does not belong here: what a document means, and pages of the unit itself, which need no network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class OutboundRefused(Exception):  # noqa: N818 - the answer of a policy, not a fault
    """The unit does not go there; the text says why, as the end of a sentence about the URL."""


class OutboundFailed(Exception):  # noqa: N818 - the story of the other host, not a fault of ours
    """There is no answer, or none that can be used; the text says why, as the end of a sentence about the URL."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """The answer of another host, whole.

    ``url`` is where it came from in the end. ``media_type`` is in lower case, without parameters. ``headers`` are by
    lower-case name.
    """

    url: str
    status: int
    media_type: str
    charset: str | None
    headers: Mapping[str, str]
    body: bytes


class Outbound(Protocol):
    """Fetches from other hosts, and never sends anything that belongs to the one who asks."""

    async def get(self, url: str, *, accept: str, max_bytes: int) -> Fetched:
        """What is at *url*, or at where that redirects to, whatever its status.

        *accept* is the Accept header. The body has at most *max_bytes*, or what ``outbound.max_bytes`` says when that
        is less.

        Raises:
            OutboundRefused: no http or https URL, or one that leads to where the unit may not reach.
            OutboundFailed: nobody answers, or not in time, too much, or not as HTTP says.
        """
