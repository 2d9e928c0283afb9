"""The line in which logins wait for their proof; in memory, as the requests are that wait.

What does not belong here: how often one has failed (``attempts``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from alveary.adapters.memory.attempts import site_of
from alveary.errors import AUTHENTICATION_FAILED, Refusal


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """One login in the line; ``called`` is done when its turn has come."""

    account: tuple[str, str]
    site: str
    called: asyncio.Future[None]


class MemoryTurns:
    """At most *most* logins in the line, those being proved included, and *most_of_one* from one address.

    IPv6 addresses are one by their site of 64 bits.
    """

    def __init__(self, *, most: int, most_of_one: int) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._line: list[_Place] = []

    @asynccontextmanager
    async def turn(self, cell_id: str, name: str, address: str | None) -> AsyncIterator[None]:
        """The time in which no other login of *name* in that cell, and none from *address*, is proved.

        Raises:
            Refusal: AUTHENTICATION_FAILED when as many wait already as may.
        """
        site = site_of(address or "")
        if len(self._line) >= self._most or sum(each.site == site for each in self._line) >= self._most_of_one:
            raise Refusal(AUTHENTICATION_FAILED)
        place = _Place((cell_id, name), site, asyncio.get_running_loop().create_future())
        self._line.append(place)
        self._call()
        try:
            await place.called
            yield
        finally:
            self._line.remove(place)
            self._call()

    def _call(self) -> None:
        """Call whoever shares neither account nor address with one that has been called, first come first."""
        # Nobody holds an account while it waits for an address, or an address for an account: who guesses at an
        # account from a crowded address would keep its owner waiting.
        called = [each for each in self._line if each.called.done()]
        accounts, sites = {each.account for each in called}, {each.site for each in called}
        for place in self._line:
            if place.account not in accounts and place.site not in sites:
                place.called.set_result(None)
                accounts.add(place.account)
                sites.add(place.site)
