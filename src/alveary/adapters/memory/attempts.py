"""How often logins from an address have failed of late; forgotten at a restart, and when too many are known."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

_KNOWN: Final = 100_000
_IPV6_SITE_BITS: Final = 64


class MemoryAttempts:
    """Failures by address, IPv6 by its site of 64 bits; from the *threshold*-th in a row the wait doubles."""

    def __init__(self, now_ms: Callable[[], int], *, interval_ms: int, threshold: int, longest_ms: int) -> None:
        self._now_ms = now_ms
        self._interval_ms = interval_ms
        self._threshold = threshold
        self._longest_ms = longest_ms
        self._failures: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def wait_ms(self, address: str) -> int:
        """How long the address must wait before its next try; 0 when it need not."""
        count, last_ms = self._failures.get(_site(address), (0, 0))
        if count < self._threshold:
            return 0
        wait_ms = min(self._interval_ms << min(count - self._threshold, 32), self._longest_ms)
        return max(0, last_ms + wait_ms - self._now_ms())

    def failed(self, address: str) -> None:
        """Note a failure."""
        site = _site(address)
        count, _ = self._failures.pop(site, (0, 0))
        self._failures[site] = count + 1, self._now_ms()
        if len(self._failures) > _KNOWN:
            self._failures.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """Note a success: earlier failures are forgiven."""
        self._failures.pop(_site(address), None)


def _site(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((parsed, _IPV6_SITE_BITS), strict=False))
