"""Subscribers of topics: who they are by their token, whenever it matters.

What does not belong here: messages on their way (``streams``), and the frames of a WebSocket.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Final

from alveary.errors import AUTH_REQUIRED, NO_SUCH_CELL, Refusal
from alveary.model.cell import Cell
from alveary.ports import Ports
from alveary.ports.store import RegistryReadTx
from alveary.ports.streams import Deliver
from alveary.usecases.access import Access
from alveary.usecases.authentication import Credentials, KnownTokens
from alveary.usecases.streams import RECEIVE, StreamPath, find, key_of

_ONE: Final = 1


class Subscriber:
    """A client that may hear what is published to a topic, as long as its token and its rights hold."""

    def __init__(self, ports: Ports, cell_id: str, topic: StreamPath) -> None:
        self._ports = ports
        self._cell_id = cell_id
        self._topic = topic
        self._known = KnownTokens(_ONE)

    async def admit(self, token: str) -> Access:
        """Who has *token*, once that may hear the topic now; it costs little while nothing has changed.

        Raises:
            Refusal: as Access.require_at; NO_SUCH_CELL, NO_SUCH_BOX, NO_SUCH_RESOURCE, NO_SUCH_URI.
        """
        if not token:
            raise Refusal(AUTH_REQUIRED)
        ports, authorization = self._ports, f"Bearer {token}"
        cell = await self._cell()
        access = self._known.find(ports, cell, authorization)
        if access is None:
            credentials = Credentials(authorization=authorization)
            access = await self._known.learn(ports, cell, authorization, credentials)
        await find(ports, access, self._topic, RECEIVE)
        return access

    async def _cell(self) -> Cell:
        async def get(tx: RegistryReadTx) -> Cell | None:
            return await tx.cells.get(self._cell_id)

        cell = await self._ports.registry.read(get)
        if cell is None:
            raise Refusal(NO_SUCH_CELL)
        return cell

    def until_ms(self, access: Access) -> int:
        """When the token that gave *access* ends, or must be shown again where it does not tell."""
        longest_ms = self._ports.clock.now_ms() + self._ports.config.auth.access_token_s * 1000
        return longest_ms if access.until_ms is None else min(access.until_ms, longest_ms)

    def listen(self, access: Access, deliver: Deliver) -> AbstractContextManager[None]:
        """Within the block, *deliver* is given what is published to the topic."""
        return self._ports.streams.subscribed(key_of(access, self._topic), deliver)
