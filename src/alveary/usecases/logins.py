"""The one login of an account, for every path that proves who is asking: by a password, or by a plug-in's word.

All reasons to fail look alike and take the same time. A failure closes the account for an interval that doubles from
the fifth in a row on, and counts against the address it came from; a name that no account has is closed like one of
an account. Tries of one account, or from one address, are made one after another. What does not belong here: tokens,
and what asks a plug-in (``plugin_logins``).
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from alveary.errors import AUTHENTICATION_FAILED, Refusal
from alveary.model.accounts import BASIC_TYPE, Account, AccountStatus, Address
from alveary.model.cell import Cell
from alveary.model.keep import LoginHistory
from alveary.ports import Ports
from alveary.ports.store import KeepReadTx, KeepTx, ReadTx, WriteTx
from alveary.usecases.cell_settings import unrecorded_accounts
from alveary.wire.passwords import SHA256

_MAX_DOUBLINGS: Final = 32


@dataclass(frozen=True, slots=True)
class Login:
    """A login that succeeded, and what was known of the account before it: nothing when its logins are unrecorded."""

    account: Account
    before: LoginHistory


Proof = Callable[[Account | None], Awaitable[bool]]
"""Whether whoever asks is that account; None, of which nobody is, where there is none or it may not log in."""


async def log_in(ports: Ports, cell: Cell, name: str, password: str, address: str | None) -> Login:
    """The login of account *name*, recorded; *address* is the client's own.

    An account that must change its password logs in: what it may then do is the caller's to bound.

    Raises:
        Refusal: AUTHENTICATION_FAILED, after the same time whatever the reason.
    """

    async def prove(account: Account | None) -> bool:
        return await ports.passwords.verify(password, account.credential if account else None)

    login = await _in_constant_time(ports, _log_in(ports, cell, _Try(name, BASIC_TYPE, address), prove))
    credential = login.account.credential
    if credential is not None and credential.algorithm == SHA256:
        await _rehash(ports, cell, login.account, password)
    return login


async def log_in_identified(ports: Ports, cell: Cell, name: str, account_type: str, address: str | None) -> Login:
    """The same of one whom somebody trusted has identified as *name*, for accounts of *account_type*.

    Raises:
        Refusal: AUTHENTICATION_FAILED, after the same time whatever the reason.
    """

    async def prove(account: Account | None) -> bool:
        return account is not None

    return await _in_constant_time(ports, _log_in(ports, cell, _Try(name, account_type, address), prove))


async def _in_constant_time(ports: Ports, login: Awaitable[Login]) -> Login:
    """*login*, or its failure once the time has passed that every failure takes."""
    floor = asyncio.get_running_loop().create_task(asyncio.sleep(ports.config.auth.failure_floor_ms / 1000))
    try:
        return await login
    except Refusal:
        await floor
        raise
    finally:
        floor.cancel()


@dataclass(frozen=True, slots=True)
class _Try:
    """A try to log in as an account that must be of *account_type*."""

    name: str
    account_type: str
    address: str | None


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of whom a try is for; ``account`` is None of a name that no account has."""

    account: Account | None
    before: LoginHistory
    unrecorded: bool


async def _log_in(ports: Ports, cell: Cell, this: _Try, prove: Proof) -> Login:
    await _known_open(ports, cell, this)  # who is refused in any case does not stand in line for it
    async with ports.turns.turn(cell.id, this.name, this.address):
        known = await _known_open(ports, cell, this)  # others may have failed, or changed the account, meanwhile
        account = known.account
        # The work of a proof is done for every name, known or not, admitted or not.
        if not await prove(account if account and _admitted(account, this) else None) or account is None:
            await _count_failure(ports, cell, account, this)
            raise Refusal(AUTHENTICATION_FAILED)
        return await _succeeded(ports, cell, account, known, this.address)


async def _known_open(ports: Ports, cell: Cell, this: _Try) -> _Known:
    """What is known when the try may be made now.

    Raises:
        Refusal: AUTHENTICATION_FAILED: it is no try and not counted, so nobody can keep an account closed.
    """

    async def find(tx: ReadTx) -> tuple[Account | None, bool]:
        entity = await tx.principals.account_named(this.name)
        return (Account.of(entity) if entity else None), this.name in unrecorded_accounts(await tx.nodes.root())

    account, unrecorded = await ports.store.contents(cell).read(find)
    before = await _history(ports, cell, account, this.name)
    if _closed_until_ms(ports, before) > ports.clock.now_ms() or _must_wait(ports, this.address):
        raise Refusal(AUTHENTICATION_FAILED)
    return _Known(account, before, unrecorded)


async def _succeeded(ports: Ports, cell: Cell, account: Account, known: _Known, address: str | None) -> Login:
    if address is not None:
        ports.attempts.succeeded(address)
    # Failures are counted for every account, so they end for every account.
    after = LoginHistory() if known.unrecorded else LoginHistory(last_authenticated_ms=ports.clock.now_ms())
    if after != known.before:
        await _record(ports, cell, account, after)
    return Login(account, LoginHistory() if known.unrecorded else known.before)


async def _history(ports: Ports, cell: Cell, account: Account | None, name: str) -> LoginHistory:
    if account is None:
        return ports.strangers.find(cell.id, name)
    account_id = account.id

    async def find(tx: KeepReadTx) -> LoginHistory:
        return await tx.logins.find(account_id)

    return await ports.store.keep(cell).read(find)


def _closed_until_ms(ports: Ports, history: LoginHistory) -> int:
    auth = ports.config.auth
    failures = history.failed_count
    if not failures:
        return 0
    doublings = min(max(0, failures - auth.throttle_from + 1), _MAX_DOUBLINGS)
    interval_s = min(auth.valid_authn_interval_s * 2.0**doublings, auth.throttle_max_s)
    if auth.lock_count and failures >= auth.lock_count:
        interval_s = max(interval_s, auth.lock_time_s)
    return history.last_failure_ms + int(interval_s * 1000)


def _must_wait(ports: Ports, address: str | None) -> bool:
    return address is not None and ports.attempts.wait_ms(address) > 0


def _admitted(account: Account, this: _Try) -> bool:
    try:
        client: Address | None = ipaddress.ip_address(this.address) if this.address else None
    except ValueError:
        client = None
    return (
        this.account_type in account.types
        and account.addresses.admits(client)
        and account.status is not AccountStatus.DEACTIVATED
    )


async def _count_failure(ports: Ports, cell: Cell, account: Account | None, this: _Try) -> None:
    if this.address is not None:
        ports.attempts.failed(this.address)
    now_ms = ports.clock.now_ms()
    if account is None:
        ports.strangers.save(cell.id, this.name, ports.strangers.find(cell.id, this.name).failed_at(now_ms))
        return
    account_id = account.id

    async def count(tx: KeepTx) -> None:
        await tx.logins.save(account_id, (await tx.logins.find(account_id)).failed_at(now_ms))

    await ports.store.keep(cell).write(count)


async def _record(ports: Ports, cell: Cell, account: Account, history: LoginHistory) -> None:
    async def save(tx: KeepTx) -> None:
        await tx.logins.save(account.id, history)

    await ports.store.keep(cell).write(save)


async def _rehash(ports: Ports, cell: Cell, account: Account, password: str) -> None:
    credential = await ports.passwords.hash(password)

    async def save(tx: WriteTx) -> None:
        entity = await tx.entities.get(account.id)
        if entity is not None:
            await tx.entities.save(replace(entity, hidden={**entity.hidden, **credential.as_hidden()}))

    await ports.store.contents(cell).write(save)
