"""How often logins from an address or of nobody have failed; forgotten at a restart, and when too many are known."""

from __future__ import annotations

import hashlib
import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from alveary.model.keep import LoginHistory

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
        count, last_ms = self._failures.get(site_of(address), (0, 0))
        if count < self._threshold:
            return 0
        wait_ms = min(self._interval_ms << min(count - self._threshold, 32), self._longest_ms)
        return max(0, last_ms + wait_ms - self._now_ms())

    def failed(self, address: str) -> None:
        """Note a failure."""
        site = site_of(address)
        count, _ = self._failures.pop(site, (0, 0))
        self._failures[site] = count + 1, self._now_ms()
        if len(self._failures) > _KNOWN:
            self._failures.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """Note a success: earlier failures are forgiven."""
        self._failures.pop(site_of(address), None)


class MemoryStrangers:
    """Failed logins under names that no account has."""

    def __init__(self) -> None:
        self._histories: OrderedDict[bytes, LoginHistory] = OrderedDict()

    def find(self, cell_id: str, name: str) -> LoginHistory:
        """What is known of logins under *name* in that cell; empty when nothing is."""
        return self._histories.get(_digest(cell_id, name), LoginHistory())

    def save(self, cell_id: str, name: str, history: LoginHistory) -> None:
        """Replace what is known."""
        key = _digest(cell_id, name)
        self._histories.pop(key, None)
        self._histories[key] = history
        if len(self._histories) > _KNOWN:
            self._histories.popitem(last=False)


def _digest(cell_id: str, name: str) -> bytes:
    """What stands for the name, which may be of any length."""
    return hashlib.sha256(f"{cell_id} {name}".encode("utf-8", "surrogatepass")).digest()


def site_of(address: str) -> str:
    """The address, or the /64 that it is in when it is one of IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((parsed, _IPV6_SITE_BITS), strict=False))
