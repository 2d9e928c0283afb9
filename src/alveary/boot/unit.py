"""From a configuration to a running unit.

The only place that names concrete adapters. What does not belong here: any decision that a use case could make.
"""

from __future__ import annotations

import gc
import ipaddress
import logging
import resource
import socket
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import uvloop

from alveary.adapters.blobs.files import BlobLimits
from alveary.adapters.engine.pool import ScriptEngine
from alveary.adapters.folder import claimed
from alveary.adapters.keys.files import FOLDER as SECRETS
from alveary.adapters.keys.files import FileKeys
from alveary.adapters.keys.identity import open_identity
from alveary.adapters.keys.rsa import RsaKeyPairs
from alveary.adapters.keys.scrypt import ScryptCost, ScryptPasswords
from alveary.adapters.machine import SystemClock, SystemIds
from alveary.adapters.memory.attempts import MemoryAttempts, MemoryStrangers
from alveary.adapters.memory.jobs import TaskJobs
from alveary.adapters.memory.streams import MemoryStreams
from alveary.adapters.memory.turns import MemoryTurns
from alveary.adapters.peers.late import LateOutbound
from alveary.adapters.sqlite.registry import SqliteRegistry
from alveary.adapters.sqlite.store import StoreSettings
from alveary.boot.plugins import Surroundings, installed, login_plugins
from alveary.boot.routes import ROUTES
from alveary.config import Config
from alveary.http.app import Edge
from alveary.http.routing import Dispatcher
from alveary.http.server import Stop, listen
from alveary.http.server import serve as serve_http
from alveary.http.settings import EdgeSettings
from alveary.model.quotas import Quota
from alveary.obs import Log, Relay
from alveary.ports import Ports
from alveary.ports.engine import EngineLimits
from alveary.usecases.recovery import resume
from alveary.wire.urls import Urls

_DESCRIPTORS: Final = 65_536
_COLLECTED_AFTER: Final = (20_000, 20, 50)
_DESCRIPTORS_OF_A_CELL: Final = 16
"""Two database files, each with its log and index, on two connections, and a scan now and then."""

GIL_SWITCH_S: Final = 0.0005
"""How long a thread that computes may keep the event loop waiting; Python's own default is ten times that."""


@dataclass(frozen=True, slots=True)
class Running:
    """A unit that accepts connections: its URL, its data folder, and what makes it stop."""

    url: str
    data: Path
    stop: Stop


def run(config: Config, log: Log, on_ready: Callable[[Running], None]) -> None:
    """Serve the unit that *config* describes until SIGTERM or SIGINT; *on_ready* hears when it accepts connections.

    Raises:
        FolderProblem: the data folder cannot be used.
        PluginProblem: a login plug-in cannot be used.
        OSError: the address cannot be listened at.
    """
    sys.setswitchinterval(GIL_SWITCH_S)
    _allow_descriptors()
    logging.basicConfig(handlers=[Relay(log)], level=logging.WARNING, force=True)
    uvloop.run(serve(config, log, on_ready))


def _allow_descriptors() -> None:
    """Take as many descriptors as the system lets a process have: a connection, a file, a store each need some."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY:
        allowed = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, allowed), hard))


async def serve(config: Config, log: Log, on_ready: Callable[[Running], None]) -> None:
    """The same within a running event loop.

    Raises:
        FolderProblem: the data folder cannot be used.
        PluginProblem: a login plug-in cannot be used.
        OSError: the address cannot be listened at.
    """
    with claimed(config.data) as folder, closing(listen(config.bind.host, config.bind.port)) as listener:
        urls = unit_urls(config, listener)
        clock, ids = SystemClock(), SystemIds()
        outbound = LateOutbound(config.outbound)
        plugins = login_plugins(installed(), Surroundings(config, outbound, clock, log))
        engine = ScriptEngine(_engine_limits(config), log.warning)
        jobs = TaskJobs(places=config.limits.cell_jobs)
        passwords = ScryptPasswords(_cost(config), sha256_salt=config.auth.sha256_salt)
        keys = FileKeys(folder / SECRETS, master_token=config.master_token, now_ms=clock.now_ms)
        registry = SqliteRegistry(_store_settings(config, folder), clock=clock, ids=ids, keys=keys)
        registry.recover()
        ports = Ports(
            config=config,
            registry=registry,
            store=registry.store,
            engine=engine,
            keys=keys,
            identity=open_identity(
                folder / SECRETS, config.unit, host=_host(urls), now_ms=clock.now_ms(), warn=log.warning
            ),
            key_pairs=RsaKeyPairs(),
            passwords=passwords,
            attempts=_attempts(config, clock),
            strangers=MemoryStrangers(),
            turns=MemoryTurns(most=config.auth.waiting_logins, most_of_one=config.auth.waiting_logins_per_address),
            jobs=jobs,
            streams=MemoryStreams(receivers=config.stream.receivers),
            outbound=outbound,
            login_plugins=plugins,
            urls=urls,
            clock=clock,
            ids=ids,
            log=log,
        )
        settings = edge_settings(config, urls)
        edge = Edge(Dispatcher(ports, urls, ROUTES).dispatch, settings, ids, log)
        engine.start()
        _ease_collector()
        try:
            await resume(ports)
            await serve_http(edge, listener, settings, lambda stop: on_ready(Running(urls.unit_url, folder, stop)))
        finally:
            await jobs.close()
            await engine.close()
            await outbound.close()
            await registry.close()
            passwords.close()


def _ease_collector() -> None:
    """Let the garbage collector look less often, and never at what the start has made.

    Requests make many objects and hardly any cycles: looking at all that is alive took a seventh of their time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTED_AFTER)


def unit_urls(config: Config, listener: socket.socket) -> Urls:
    """How the unit spells its URLs: as configured, else after the address it listens at."""
    host, port = config.bind.host, listener.getsockname()[1]
    scheme = "https" if config.tls.certificate else "http"
    base_url = config.base_url or f"{scheme}://{_host_in_url(host)}:{port}/"
    names = [f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"] if _is_near(host) else []
    return Urls.parse(base_url, path_style=config.path_style, aliases=(*config.aliases, *names))


def _host(urls: Urls) -> str:
    """The name or address of the unit's host, without port and brackets."""
    return urlsplit(urls.unit_url).hostname or ""


def _host_in_url(host: str) -> str:
    if _is_near(host):
        return "localhost"
    return f"[{host}]" if ":" in host else host


def _is_near(host: str) -> bool:
    """Whether *host* is this machine's loopback, or every address of it."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return address.is_loopback or address.is_unspecified


def edge_settings(config: Config, urls: Urls) -> EdgeSettings:
    """What the HTTP edge is told."""
    limits = config.limits
    return EdgeSettings(
        urls=urls,
        api_version=config.api_version,
        trusted_proxies=config.trusted_proxies,
        header_bytes=limits.header_bytes,
        header_timeout_s=limits.header_timeout_s,
        url_bytes=limits.url_bytes,
        body_idle_s=limits.body_idle_s,
        keep_alive_s=limits.keep_alive_s,
        shutdown_s=limits.shutdown_s,
        concurrent_requests=limits.concurrent_requests,
        sockets=config.socket.most,
        socket_message_bytes=config.socket.message_bytes,
        socket_fragments=config.socket.fragments,
        socket_frames_per_second=config.socket.frames_per_second,
        socket_backlog_bytes=config.socket.backlog_bytes,
        socket_ping_s=config.socket.ping_s,
        socket_unanswered_pings=config.socket.unanswered_pings,
        certificate=config.tls.certificate,
        key=config.tls.key,
    )


def _store_settings(config: Config, folder: Path) -> StoreSettings:
    limits = config.limits
    blobs = BlobLimits(limits.inline_bytes, limits.disk_reserve_percent)
    # Half of the descriptors are for cells, the other half for clients and files on their way.
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = _DESCRIPTORS if soft == resource.RLIM_INFINITY else soft
    open_cells = max(1, min(limits.open_cells, allowed // 2 // _DESCRIPTORS_OF_A_CELL))
    quota = Quota(limits.cell_bytes, limits.cell_entities)
    encrypt = config.store.encrypt
    return StoreSettings(
        folder,
        blobs,
        open_cells,
        query_s=limits.query_s,
        answer_bytes=limits.answer_bytes,
        quota=quota,
        encrypt=encrypt,
    )


def _cost(config: Config) -> ScryptCost:
    return ScryptCost(config.auth.hash_log2_n, config.auth.hash_r, config.auth.hash_p)


def _attempts(config: Config, clock: SystemClock) -> MemoryAttempts:
    auth = config.auth
    return MemoryAttempts(
        clock.now_ms,
        interval_ms=int(auth.valid_authn_interval_s * 1000),
        threshold=auth.throttle_from,
        longest_ms=int(auth.throttle_max_s * 1000),
    )


def _engine_limits(config: Config) -> EngineLimits:
    script = config.script
    return EngineLimits(
        workers=script.workers,
        per_cell_concurrency=script.per_cell_concurrency,
        requests_per_worker=script.requests_per_worker,
        idle_s=script.idle_s,
        memory_bytes=script.memory_bytes,
        stack_bytes=script.stack_bytes,
        frame_bytes=script.frame_bytes,
        js_time_s=script.js_time_s,
        wall_s=script.wall_s,
        host_calls=script.host_calls,
    )
