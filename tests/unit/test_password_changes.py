"""Changes of a password beside what goes on at the same time."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from alveary.adapters.memory.attempts import MemoryStrangers
from alveary.adapters.memory.turns import MemoryTurns
from alveary.errors import ACCESS_TOKEN_EXPIRED
from alveary.model.accounts import Account, Credential
from alveary.model.acl import EMPTY
from alveary.model.control_edm import ACCOUNT
from alveary.model.entities import EntityKind
from alveary.ports import Ports
from alveary.ports.keys import Passwords
from alveary.usecases.access import Access, Who
from alveary.usecases.logins import log_in
from alveary.usecases.passwords import change_own
from alveary.wire.passwords import SCRYPT, SHA256
from tests.control_unit import Unit, opened, refusal_of


@dataclass(frozen=True)
class Meanwhile:
    """Passwords during whose hashing and proof something else happens."""

    passwords: Passwords
    happen: Callable[[], Awaitable[object]]

    async def hash(self, password: str) -> Credential:
        await self.happen()
        return await self.passwords.hash(password)

    async def verify(self, password: str, credential: Credential | None) -> bool:
        right = await self.passwords.verify(password, credential)
        await self.happen()
        return right


@pytest.fixture
async def unit(tmp_path: Path) -> AsyncIterator[Unit]:
    async with opened(tmp_path) as made:
        made.ports = replace(made.ports, strangers=MemoryStrangers(), turns=MemoryTurns(most=10, most_of_one=10))
        await made.create(ACCOUNT, Name="alice", password="password-1")
        yield made


def resetting(unit: Unit) -> Ports:
    """The ports of *unit*, where the administrator resets the password while another is hashed or proved."""

    async def reset() -> None:
        await unit.change(await unit.retrieve(ACCOUNT, "alice"), merge=True, password="password-of-the-reset")

    return replace(unit.ports, passwords=Meanwhile(unit.ports.passwords, reset))


async def alice(unit: Unit) -> Account:
    return Account.of(await unit.stored(EntityKind.ACCOUNT, "alice"))


async def test_a_login_that_proved_the_old_password_during_a_reset_gets_tokens_that_do_not_count(unit: Unit) -> None:
    login = await log_in(resetting(unit), unit.admin.here, "alice", "password-1", None)
    assert not (await alice(unit)).epoch.counts(login.account.epoch.name, "family")
    again = await log_in(unit.ports, unit.admin.here, "alice", "password-of-the-reset", None)
    assert (await alice(unit)).epoch.counts(again.account.epoch.name, "family")


async def test_a_change_that_began_before_a_reset_does_not_undo_it(unit: Unit) -> None:
    scopes = frozenset({"root"})
    here, account = unit.admin.here, await alice(unit)
    access = Access(here, Who.ACCOUNT, frozenset(), EMPTY, account_id=account.id, scopes=scopes, family="family")
    assert await refusal_of(change_own(resetting(unit), access, "password-2")) is ACCESS_TOKEN_EXPIRED
    assert await unit.ports.passwords.verify("password-of-the-reset", (await alice(unit)).credential)


async def test_a_better_hash_of_the_same_password_leaves_the_epoch(unit: Unit) -> None:
    await unit.change(await unit.retrieve(ACCOUNT, "alice"), merge=True, Status="passwordChangeRequired")
    before, stored = (await alice(unit)).epoch, await unit.stored(EntityKind.ACCOUNT, "alice")
    old = Credential(SHA256, hashlib.sha256(b"password-1").hexdigest(), None)
    hidden = {**stored.hidden, **old.as_hidden()}
    await unit.apply(lambda tx: tx.entities.save(replace(stored, hidden=hidden)))
    await log_in(unit.ports, unit.admin.here, "alice", "password-1", None)
    after = await alice(unit)
    assert after.credential is not None and after.credential.algorithm == SCRYPT
    assert before.name is not None and after.epoch == before
