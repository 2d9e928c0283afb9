"""What use cases need from the outside, as protocols; :class:`Ports` gathers one of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from alveary.config import Config
from alveary.obs import Log
from alveary.ports.clock import Clock, Ids
from alveary.ports.engine import Engine
from alveary.ports.identity import Identity
from alveary.ports.jobs import Jobs
from alveary.ports.keys import Attempts, KeyPairs, Keys, Passwords, Strangers, Turns
from alveary.ports.login_plugins import LoginPlugin
from alveary.ports.outbound import Outbound
from alveary.ports.store import Registry, Store
from alveary.ports.streams import Streams
from alveary.ports.urls import Urls

__all__ = ["Ports"]


@dataclass(frozen=True, slots=True)
class Ports:
    """One adapter for each port, and the configuration; of the login plug-ins one for each grant type."""

    config: Config
    registry: Registry
    store: Store
    engine: Engine
    keys: Keys
    identity: Identity
    key_pairs: KeyPairs
    passwords: Passwords
    attempts: Attempts
    strangers: Strangers
    turns: Turns
    jobs: Jobs
    streams: Streams
    outbound: Outbound
    login_plugins: Mapping[str, LoginPlugin]
    urls: Urls
    clock: Clock
    ids: Ids
    log: Log
