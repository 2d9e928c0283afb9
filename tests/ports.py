"""Ports bundles, with only what a test names behind most ports."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from alveary.adapters.machine import SystemClock, SystemIds
from alveary.adapters.sqlite.registry import SqliteRegistry
from alveary.config import Config
from alveary.ports import Ports
from alveary.wire.urls import Urls


def ports_over(registry: SqliteRegistry, **adapters: Any) -> Ports:
    """The ports of *registry* and *adapters*; whoever asks for another gets None, and the test fails."""
    return ports_of(registry=registry, store=registry.store, **adapters)


def ports_of(**adapters: Any) -> Ports:
    """The same without a registry."""
    given: dict[str, Any] = dict.fromkeys(each.name for each in fields(Ports))
    given |= {
        "config": Config(),
        "urls": Urls.parse("https://unit.example/", path_style=True),
        "login_plugins": {},
        "clock": SystemClock(),
        "ids": SystemIds(),
    }
    return Ports(**(given | adapters))
