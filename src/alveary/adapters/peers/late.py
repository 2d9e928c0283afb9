"""The HTTP client of outbound requests, loaded for the first of them.

It would be a tenth of every start, and many units never ask another host for anything. What does not belong here:
what is requested, and under which policy.
"""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Final

from alveary.config import Outbound
from alveary.ports.outbound import Fetched

if TYPE_CHECKING:
    from alveary.adapters.peers.outbound import HttpOutbound

_MODULE: Final = "alveary.adapters.peers.outbound"


class LateOutbound:
    """An ``HttpOutbound`` that is made when something is requested."""

    def __init__(self, policy: Outbound) -> None:
        self._policy = policy
        self._outbound: HttpOutbound | None = None

    async def get(self, url: str, *, accept: str, max_bytes: int) -> Fetched:
        """What is at *url*.

        Raises:
            OutboundRefused, OutboundFailed: as ``HttpOutbound``.
        """
        outbound = self._outbound or await self._load()
        return await outbound.get(url, accept=accept, max_bytes=max_bytes)

    async def _load(self) -> HttpOutbound:
        module = await asyncio.to_thread(import_module, _MODULE)
        self._outbound = self._outbound or module.HttpOutbound(self._policy)
        return self._outbound

    async def close(self) -> None:
        """Close all connections."""
        if self._outbound is not None:
            await self._outbound.close()
