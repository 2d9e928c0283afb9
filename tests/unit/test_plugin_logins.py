"""Logins by a plug-in: whom it names is held to what every login is, and which types an account may have."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import CapturingLogger

from alveary.adapters.memory.attempts import MemoryAttempts, MemoryStrangers
from alveary.adapters.memory.turns import MemoryTurns
from alveary.config import Auth
from alveary.errors import (
    AUTHENTICATION_FAILED,
    FIELD_FORMAT,
    PLUGIN_BROKEN,
    PLUGIN_CLIENT_REFUSED,
    PLUGIN_REFUSED,
    PLUGIN_UNAVAILABLE,
    Kind,
    Refusal,
)
from alveary.model.control_edm import ACCOUNT
from alveary.model.keep import LoginHistory
from alveary.ports.login_plugins import LoginProblem, Reason
from alveary.usecases.logins import Login, log_in
from alveary.usecases.plugin_logins import log_in_by_plugin
from tests.control_unit import Unit, opened, refusal_of
from tests.stores import HandClock

GRANT = "urn:x-test:word"
TYPE = "test:word"
FLOOR_MS = 40


@dataclass(frozen=True)
class WordPlugin:
    """Believes whatever name the form says, unless it is told to fail."""

    grant_type: str = GRANT
    account_type: str = TYPE
    failure: Exception | None = None

    async def identify(self, form: Mapping[str, str]) -> str:
        if self.failure is not None:
            raise self.failure
        return form["word"]


def with_plugin(unit: Unit, plugin: WordPlugin, **auth: Any) -> Unit:
    options = Auth(**{"failure_floor_ms": 0, "valid_authn_interval_s": 0, **auth})
    clock = HandClock()
    log = structlog.wrap_logger(CapturingLogger(), wrapper_class=structlog.make_filtering_bound_logger(0))
    ports = replace(
        unit.ports,
        login_plugins={GRANT: plugin},
        attempts=MemoryAttempts(clock.now_ms, interval_ms=1000, threshold=5, longest_ms=10_000),
        strangers=MemoryStrangers(),
        turns=MemoryTurns(most=10, most_of_one=10),
        clock=clock,
        log=log,
        config=type(unit.ports.config)(auth=options),
    )
    return Unit(ports, unit.admin)


@pytest.fixture
async def plain(tmp_path: Path) -> AsyncIterator[Unit]:
    async with opened(tmp_path) as made:
        yield made


@pytest.fixture
async def unit(plain: Unit) -> Unit:
    unit = with_plugin(plain, WordPlugin())
    await unit.create(ACCOUNT, Name="alice", Type=TYPE)
    return unit


async def enter(unit: Unit, name: str = "alice", address: str | None = None) -> Login:
    return await log_in_by_plugin(unit.ports, unit.admin.here, GRANT, {"word": name}, address)


class TestAccounts:
    async def test_whom_the_plugin_names_is_logged_in_and_remembered(self, unit: Unit) -> None:
        first = await enter(unit)
        assert (first.account.name, first.before) == ("alice", LoginHistory())
        assert (await enter(unit)).before.last_authenticated_ms == unit.ports.clock.now_ms()

    async def test_an_account_may_be_of_several_types(self, unit: Unit) -> None:
        await unit.create(ACCOUNT, Name="both", Type=f"basic {TYPE}", password="password-1")
        assert (await enter(unit, "both")).account.name == "both"
        assert (await log_in(unit.ports, unit.admin.here, "both", "password-1", None)).account.name == "both"

    async def test_an_account_of_another_type_is_not_entered_either_way(self, unit: Unit) -> None:
        await unit.create(ACCOUNT, Name="basic", password="password-1")
        await unit.create(ACCOUNT, Name="word", Type=TYPE, password="password-1")
        assert await refusal_of(enter(unit, "basic")) is AUTHENTICATION_FAILED
        by_password = log_in(unit.ports, unit.admin.here, "word", "password-1", None)
        assert await refusal_of(by_password) is AUTHENTICATION_FAILED

    async def test_nobody_a_deactivated_account_and_a_foreign_address_look_alike(self, unit: Unit) -> None:
        await unit.create(ACCOUNT, Name="off", Type=TYPE, Status="deactivated")
        await unit.create(ACCOUNT, Name="near", Type=TYPE, IPAddressRange="192.0.2.0/24")
        for name, address in (("nobody", None), ("off", None), ("near", None), ("near", "198.51.100.1")):
            assert await refusal_of(enter(unit, name, address)) is AUTHENTICATION_FAILED
        assert (await enter(unit, "near", "192.0.2.7")).account.name == "near"

    async def test_failures_close_the_account_and_count_against_the_address(self, unit: Unit) -> None:
        busy = with_plugin(unit, WordPlugin(), valid_authn_interval_s=60)
        await busy.create(ACCOUNT, Name="off", Type=TYPE, Status="deactivated")
        assert await refusal_of(enter(busy, "off")) is AUTHENTICATION_FAILED
        for number in range(5):
            assert await refusal_of(enter(busy, f"nobody{number}", "192.0.2.1")) is AUTHENTICATION_FAILED
        assert await refusal_of(enter(busy, "alice", "192.0.2.1")) is AUTHENTICATION_FAILED
        assert (await enter(busy, "alice", "192.0.2.2")).account.name == "alice"

    async def test_every_failure_takes_the_same_time(self, unit: Unit) -> None:
        slow = with_plugin(unit, WordPlugin(), failure_floor_ms=FLOOR_MS)
        for name in ("nobody", "other"):
            start_s = time.monotonic()
            assert await refusal_of(enter(slow, name)) is AUTHENTICATION_FAILED
            assert time.monotonic() - start_s >= FLOOR_MS / 1000


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (LoginProblem(Reason.INVALID, "no"), PLUGIN_REFUSED),
        (LoginProblem(Reason.UNTRUSTED_CLIENT, "no"), PLUGIN_CLIENT_REFUSED),
        (LoginProblem(Reason.UNAVAILABLE, "no"), PLUGIN_UNAVAILABLE),
        (LoginProblem(Reason.BROKEN, "no"), PLUGIN_BROKEN),
        (ZeroDivisionError("a secret"), PLUGIN_BROKEN),
    ],
)
async def test_each_reason_of_a_plugin_has_its_code(unit: Unit, failure: Exception, kind: Kind) -> None:
    with pytest.raises(Refusal) as caught:
        await enter(with_plugin(unit, WordPlugin(failure=failure)))
    assert caught.value.kind is kind
    assert "secret" not in caught.value.text


class TestTypes:
    async def test_an_account_is_of_types_that_are_installed(self, unit: Unit) -> None:
        for wrong in ("test:other", f"{TYPE} test:other", "Basic"):
            assert await refusal_of(unit.create(ACCOUNT, Name="x", Type=wrong)) is FIELD_FORMAT
        row = await unit.create(ACCOUNT, Name="x", Type=TYPE)
        assert await refusal_of(unit.change(row, Name="x", Type="test:other")) is FIELD_FORMAT
        assert (await unit.change(row, Name="x", Type=f"{TYPE} basic")).value("Type") == f"{TYPE} basic"

    async def test_an_account_keeps_a_type_whose_plugin_is_gone(self, unit: Unit, plain: Unit) -> None:
        row = await unit.retrieve(ACCOUNT, "alice")
        changed = await plain.change(row, merge=True, Status="deactivated")
        assert (changed.value("Type"), changed.value("Status")) == (TYPE, "deactivated")
        assert await refusal_of(plain.change(row, merge=True, Type=f"{TYPE} basic")) is FIELD_FORMAT
