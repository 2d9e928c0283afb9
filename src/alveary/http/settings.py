"""What the HTTP edge is told when it starts.

What does not belong here: where the values come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from alveary.wire.urls import Urls


@dataclass(frozen=True, slots=True)
class EdgeSettings:
    """How requests are read, limited and answered.

    ``body_idle_s`` bounds the pause between two pieces of a body in either direction, ``header_timeout_s``
    the whole head of a request. ``shutdown_s`` is what requests under way get once the unit is told to stop.
    TLS is spoken when there is a ``certificate``. The ``socket_`` ones are for WebSockets: how many are open at
    once, how long a client's message is and in how many fragments it comes, how many frames a client sends in a
    second, what waits for a slow client until it is let go, how often a ping is sent, and how many go unanswered
    until the client counts as gone.
    """

    urls: Urls
    api_version: str = "1.8.4"
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    header_bytes: int = 64 * 1024
    header_timeout_s: float = 10
    url_bytes: int = 50 * 1024
    body_idle_s: float = 60
    keep_alive_s: float = 30
    shutdown_s: float = 30
    concurrent_requests: int = 1024
    sockets: int = 1024
    socket_message_bytes: int = 64 * 1024
    socket_fragments: int = 1024
    socket_frames_per_second: int = 2000
    socket_backlog_bytes: int = 1024 * 1024
    socket_ping_s: float = 60
    socket_unanswered_pings: int = 10
    certificate: Path | None = None
    key: Path | None = None
