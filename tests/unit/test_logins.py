"""Logins by a password that come at once: how many are proved, what is counted, and who waits for whom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from alveary.adapters.memory.attempts import MemoryAttempts, MemoryStrangers
from alveary.adapters.memory.turns import MemoryTurns
from alveary.config import Auth, Config
from alveary.errors import AUTHENTICATION_FAILED, Kind, Refusal
from alveary.model.accounts import Credential
from alveary.model.control_edm import ACCOUNT
from alveary.model.seals import Stretch
from alveary.ports.keys import Passwords
from alveary.usecases.logins import Login, log_in
from tests.control_unit import Unit, opened, refusal_of
from tests.stores import HandClock

RIGHT = "password-1"
HERE = "192.0.2.1"
ELSEWHERE = "192.0.2.2"
INTERVAL_S = 30


@dataclass
class HeldPasswords:
    """Proves as the unit does, once ``free`` is set; remembers what it was asked to prove, and how much at once."""

    unit: Passwords
    free: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[str] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0

    async def hash(self, password: str) -> Credential:
        return await self.unit.hash(password)

    async def verify(self, password: str, credential: Credential | None) -> bool:
        self.asked.append(password)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await self.free.wait()
        self.under_way -= 1
        return await self.unit.verify(password, credential)

    async def derive(self, passphrase: str, stretch: Stretch) -> bytes:
        return await self.unit.derive(passphrase, stretch)


@dataclass
class Door:
    """Where accounts log in; the clock stands still."""

    unit: Unit
    clock: HandClock
    passwords: HeldPasswords

    async def enter(self, name: str, password: str = RIGHT, address: str | None = HERE) -> Login:
        return await log_in(self.unit.ports, self.unit.admin.here, name, password, address)

    async def comes(self, name: str, password: str = RIGHT, address: str | None = HERE) -> asyncio.Task[Login]:
        """A login that is now where it has to wait."""
        task = asyncio.create_task(self.enter(name, password, address))
        await asyncio.sleep(0)
        return task


def door_of(unit: Unit, clock: HandClock, *, most: int = 256, most_of_one: int = 32, **auth: Any) -> Door:
    options = Auth(**{"failure_floor_ms": 0, "valid_authn_interval_s": INTERVAL_S, **auth})
    passwords = HeldPasswords(unit.ports.passwords)
    ports = replace(
        unit.ports,
        passwords=passwords,
        attempts=MemoryAttempts(clock.now_ms, interval_ms=1000, threshold=5, longest_ms=10_000),
        strangers=MemoryStrangers(),
        turns=MemoryTurns(most=most, most_of_one=most_of_one),
        config=Config(auth=options),
    )
    return Door(replace(unit, ports=ports), clock, passwords)


async def outcomes(*logins: Awaitable[Login]) -> list[str | Kind]:
    """Who got in, and why who did not was refused."""
    ends = await asyncio.gather(*logins, return_exceptions=True)
    return [
        end.account.name if isinstance(end, Login) else end.kind for end in ends if isinstance(end, Login | Refusal)
    ]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def unit(tmp_path: Path, clock: HandClock) -> AsyncIterator[Unit]:
    async with opened(tmp_path, clock) as made:
        for number in range(8):
            await made.create(ACCOUNT, Name=f"account{number}", password=RIGHT)
        yield made


@pytest.fixture
def door(unit: Unit, clock: HandClock) -> Door:
    return door_of(unit, clock)


class TestInParallel:
    @pytest.mark.parametrize("addresses", [1, 40])
    @pytest.mark.parametrize("name", ["account0", "nobody"])
    async def test_of_guesses_in_parallel_one_is_proved_and_the_right_one_comes_too_late(
        self, door: Door, name: str, addresses: int
    ) -> None:
        door.passwords.free.set()
        guesses = [*(f"wrong-{number}" for number in range(19)), RIGHT]
        tries = [door.enter(name, guess, f"192.0.2.{at % addresses}") for at, guess in enumerate(guesses)]
        assert await outcomes(*tries) == [AUTHENTICATION_FAILED] * 20
        assert door.passwords.asked == ["wrong-0"]

    async def test_failures_in_parallel_are_all_counted(self, unit: Unit, clock: HandClock) -> None:
        door = door_of(unit, clock, valid_authn_interval_s=0)
        door.passwords.free.set()
        tries = [door.enter("account0", "wrong", f"192.0.2.{number}") for number in range(6)]
        assert await outcomes(*tries) == [AUTHENTICATION_FAILED] * 6
        assert (await door.enter("account0")).before.failed_count == 6

    async def test_an_address_makes_no_more_tries_in_parallel_than_one_after_another(self, door: Door) -> None:
        door.passwords.free.set()
        tries = [door.enter(f"nobody{number}", "wrong") for number in range(20)]
        assert await outcomes(*tries) == [AUTHENTICATION_FAILED] * 20
        assert (len(door.passwords.asked), door.passwords.most_under_way) == (5, 1)

    async def test_an_account_that_is_changed_while_its_login_waits_is_looked_at_as_it_is_then(
        self, door: Door, unit: Unit
    ) -> None:
        first, second = await door.comes("account0"), await door.comes("account1")
        row = await unit.retrieve(ACCOUNT, "account1")
        await unit.change(row, merge=True, Status="deactivated")
        door.passwords.free.set()
        assert await outcomes(first, second) == ["account0", AUTHENTICATION_FAILED]


class TestMany:
    async def test_eight_accounts_behind_one_address_all_get_in_at_once(self, door: Door) -> None:
        names = [f"account{number}" for number in range(8)]
        door.passwords.free.set()
        assert await outcomes(*(door.enter(name) for name in names)) == names
        assert door.passwords.most_under_way == 1

    async def test_one_account_gets_in_many_times_at_once(self, door: Door) -> None:
        door.passwords.free.set()
        assert await outcomes(*(door.enter("account0") for _ in range(8))) == ["account0"] * 8

    async def test_who_comes_from_elsewhere_does_not_wait_for_the_queue_of_an_address(self, door: Door) -> None:
        guesses = [await door.comes(name, "wrong") for name in ("nobody", "account0", "account1")]
        owner = await door.comes("account0", address=ELSEWHERE)
        assert door.passwords.asked == ["wrong", RIGHT]
        door.passwords.free.set()
        assert (await owner).account.name == "account0"
        assert await outcomes(*guesses) == [AUTHENTICATION_FAILED] * 3

    @pytest.mark.parametrize("bounds", [{"most": 2}, {"most_of_one": 2}])
    async def test_more_than_may_wait_fail_without_a_proof(
        self, unit: Unit, clock: HandClock, bounds: dict[str, int]
    ) -> None:
        door = door_of(unit, clock, **bounds)
        waiting = [await door.comes("account0"), await door.comes("account1")]
        assert await refusal_of(door.enter("account2")) is AUTHENTICATION_FAILED
        door.passwords.free.set()
        assert await outcomes(*waiting) == ["account0", "account1"]
        assert len(door.passwords.asked) == 2
        assert (await door.enter("account2")).before.failed_count == 0

    async def test_who_gives_up_waiting_makes_room(self, unit: Unit, clock: HandClock) -> None:
        door = door_of(unit, clock, most=2)
        first, second = await door.comes("account0"), await door.comes("account1")
        second.cancel()
        await asyncio.wait([second])
        third = await door.comes("account2")
        door.passwords.free.set()
        assert await outcomes(first, third) == ["account0", "account2"]


class TestUnknownNames:
    async def test_an_unknown_name_is_closed_as_an_account_is(self, door: Door, clock: HandClock) -> None:
        door.passwords.free.set()
        for name in ("account0", "nobody"):
            door.passwords.asked.clear()
            for word in ("first", "second"):
                assert await refusal_of(door.enter(name, word, None)) is AUTHENTICATION_FAILED
            assert door.passwords.asked == ["first"]
            clock.ms += INTERVAL_S * 1000
            assert await refusal_of(door.enter(name, "third", None)) is AUTHENTICATION_FAILED
            assert door.passwords.asked == ["first", "third"]

    async def test_its_interval_doubles_as_that_of_an_account_does(self, door: Door, clock: HandClock) -> None:
        door.passwords.free.set()
        waits: dict[str, list[int]] = {"account0": [], "nobody": []}
        for name, seconds in waits.items():
            for _ in range(7):
                proved, began_ms = len(door.passwords.asked), clock.ms
                while len(door.passwords.asked) == proved:
                    assert await refusal_of(door.enter(name, "wrong", None)) is AUTHENTICATION_FAILED
                    clock.ms += INTERVAL_S * 1000
                seconds.append((clock.ms - began_ms) // 1000)
        assert waits["account0"] == waits["nobody"]
        assert waits["nobody"][-1] > waits["nobody"][1]

    async def test_an_account_that_is_made_under_a_closed_name_is_open(self, door: Door, unit: Unit) -> None:
        door.passwords.free.set()
        assert await refusal_of(door.enter("late", "wrong")) is AUTHENTICATION_FAILED
        await unit.create(ACCOUNT, Name="late", password=RIGHT)
        assert (await door.enter("late")).account.name == "late"
