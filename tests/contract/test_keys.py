"""What the use cases may expect of the unit's keys, password hashing, the memory of failed logins, and turns."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from alveary.adapters.keys.files import (
    OPERATOR_TOKEN_S,
    TOKENS_END_AFTER_S,
    FileKeys,
    OperatorKey,
    forget_older_secrets,
    replace_unit_secret,
    unit_paths,
)
from alveary.adapters.keys.scrypt import ScryptCost, ScryptPasswords
from alveary.adapters.memory.attempts import MemoryAttempts, MemoryStrangers
from alveary.adapters.memory.turns import MemoryTurns
from alveary.errors import AUTHENTICATION_FAILED
from alveary.model.accounts import Credential
from alveary.model.keep import LoginHistory
from alveary.wire.passwords import SCRYPT, SHA256, ScryptHash
from tests.control_unit import refusal_of
from tests.stores import HandClock

MASTER = "master"


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def keys(tmp_path: Path, clock: HandClock) -> FileKeys:
    return FileKeys(tmp_path / "secrets", master_token=MASTER, now_ms=clock.now_ms)


class TestSealing:
    @pytest.mark.parametrize("plain", [b"", b"text", bytes(10_000)], ids=len)
    def test_what_was_sealed_is_unsealed_for_the_same_purpose_alone(self, keys: FileKeys, plain: bytes) -> None:
        sealed = keys.seal("token", plain)
        assert keys.unseal("token", sealed) == plain
        assert keys.unseal("cookie", sealed) is None

    def test_it_is_different_at_every_call(self, keys: FileKeys) -> None:
        assert len({keys.seal("token", b"text") for _ in range(100)}) == 100

    def test_a_changed_byte_anywhere_is_noticed(self, keys: FileKeys) -> None:
        sealed = keys.seal("token", b"text")
        for index in range(len(sealed)):
            changed = bytearray(sealed)
            changed[index] ^= 1
            assert keys.unseal("token", bytes(changed)) is None
        for length in range(len(sealed)):
            assert keys.unseal("token", sealed[:length]) is None

    def test_a_restart_changes_nothing_and_another_unit_reads_nothing(
        self, keys: FileKeys, tmp_path: Path, clock: HandClock
    ) -> None:
        sealed = keys.seal("token", b"text")
        again = FileKeys(tmp_path / "secrets", master_token="", now_ms=clock.now_ms)
        assert again.unseal("token", sealed) == b"text"
        other = FileKeys(tmp_path / "other", master_token="", now_ms=clock.now_ms)
        assert other.unseal("token", sealed) is None


class TestReplacedSecrets:
    def rotated(self, tmp_path: Path, clock: HandClock, *, forget: bool = False) -> FileKeys:
        """The keys after a restart with a new secret, made at the clock's time."""
        folder = tmp_path / "secrets"
        replace_unit_secret(folder)
        if forget:
            forget_older_secrets(folder)
        newest = max(unit_paths(folder).items())[1]
        os.utime(newest, (clock.ms / 1000, clock.ms / 1000))
        return FileKeys(folder, master_token="", now_ms=clock.now_ms)

    def test_tokens_stay_good_for_a_day_and_what_the_unit_stored_for_as_long_as_the_secret_is_there(
        self, keys: FileKeys, tmp_path: Path, clock: HandClock
    ) -> None:
        old = keys.seal("token", b"text")
        later = self.rotated(tmp_path, clock)
        new = later.seal("token", b"text")
        assert (later.is_current(old), later.is_current(new)) == (False, True)
        assert later.unseal("token", old) == later.unseal("token", new) == b"text"
        assert keys.unseal("token", new) is None
        clock.ms += TOKENS_END_AFTER_S * 1000
        assert later.unseal("token", old) is None
        assert later.unseal("token", old, stored=True) == later.unseal("token", new) == b"text"

    def test_each_of_several_opens_what_it_sealed(self, keys: FileKeys, tmp_path: Path, clock: HandClock) -> None:
        sealed = [keys.seal("token", b"1")]
        for number in (2, 3):
            keys = self.rotated(tmp_path, clock)
            sealed.append(keys.seal("token", b"%d" % number))
        assert [keys.unseal("token", each) for each in sealed] == [b"1", b"2", b"3"]

    def test_what_a_forgotten_secret_sealed_is_good_no_more(
        self, keys: FileKeys, tmp_path: Path, clock: HandClock
    ) -> None:
        old = keys.seal("token", b"text")
        later = self.rotated(tmp_path, clock, forget=True)
        assert later.unseal("token", old, stored=True) is None
        again = FileKeys(tmp_path / "secrets", master_token="", now_ms=clock.now_ms)
        assert again.unseal("token", later.seal("token", b"text")) == b"text"

    def test_a_number_on_the_text_chooses_no_other_secret(
        self, keys: FileKeys, tmp_path: Path, clock: HandClock
    ) -> None:
        old = keys.seal("token", b"text")
        later = self.rotated(tmp_path, clock)
        for number in range(256):
            assert later.unseal("token", bytes([number]) + old[1:], stored=True) == (b"text" if number == 1 else None)


class TestUnitTokens:
    def test_the_master_token_is_that_text_and_no_other(self, keys: FileKeys) -> None:
        assert keys.is_master_token(MASTER)
        for other in ("", "maste", "master ", "MASTER", "mäster"):
            assert not keys.is_master_token(other)

    def test_without_a_configured_one_none_is_it(self, tmp_path: Path, clock: HandClock) -> None:
        keys = FileKeys(tmp_path, master_token="", now_ms=clock.now_ms)
        assert not keys.is_master_token("")

    def test_an_operator_token_is_good_until_its_time(self, keys: FileKeys, tmp_path: Path, clock: HandClock) -> None:
        token = OperatorKey.of(tmp_path).mint(clock.ms)
        assert keys.is_operator_token(token)
        clock.ms += OPERATOR_TOKEN_S * 1_000 - 1
        assert keys.is_operator_token(token)
        clock.ms += 1
        assert not keys.is_operator_token(token)

    def test_none_but_the_owner_of_the_folder_mints_one(
        self, keys: FileKeys, tmp_path: Path, clock: HandClock
    ) -> None:
        (tmp_path / "other").mkdir()
        FileKeys(tmp_path / "other" / "secrets", master_token="", now_ms=clock.now_ms)
        assert not keys.is_operator_token(OperatorKey.of(tmp_path / "other").mint(clock.ms))
        token = OperatorKey.of(tmp_path).mint(clock.ms)
        for forged in ("", "OP~", "OP~x", "OP~" + "A" * 60, token[3:], token[:-4], "OP~ö"):
            assert not keys.is_operator_token(forged)

    def test_nobody_else_may_read_the_secrets(self, keys: FileKeys, tmp_path: Path) -> None:
        assert keys is not None
        folder = tmp_path / "secrets"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}

    def test_a_damaged_secret_stops_the_start(self, keys: FileKeys, tmp_path: Path, clock: HandClock) -> None:
        assert keys is not None
        (tmp_path / "secrets" / "unit.key").write_bytes(b"short")
        with pytest.raises(Exception, match=r"unit\.key"):
            FileKeys(tmp_path / "secrets", master_token="", now_ms=clock.now_ms)


@pytest.fixture
def passwords() -> Iterator[ScryptPasswords]:
    made = ScryptPasswords(ScryptCost(log2_n=4, r=8, p=1), sha256_salt="salt")
    yield made
    made.close()


class TestPasswords:
    @pytest.mark.parametrize("password", ["password-1", "", "pässwörd 密", "\ud800"])
    async def test_a_password_belongs_to_its_hash_alone(self, passwords: ScryptPasswords, password: str) -> None:
        credential = await passwords.hash(password)
        assert await passwords.verify(password, credential)
        assert not await passwords.verify(password + "x", credential)

    async def test_a_hash_is_never_the_same_twice_and_tells_its_cost(self, passwords: ScryptPasswords) -> None:
        one, two = await passwords.hash("x"), await passwords.hash("x")
        assert one.algorithm == SCRYPT
        assert one.hashed != two.hashed
        stored = ScryptHash.parse(one.hashed)
        assert stored is not None
        assert (stored.log2_n, stored.r, stored.p) == (4, 8, 1)

    async def test_hashes_of_another_cost_are_verified(self, passwords: ScryptPasswords) -> None:
        other = ScryptPasswords(ScryptCost(log2_n=5, r=4, p=2))
        credential = await other.hash("password")
        other.close()
        assert await passwords.verify("password", credential)
        assert not await passwords.verify("Password", credential)

    async def test_the_older_form_is_verified_with_the_salt_of_the_unit(self, passwords: ScryptPasswords) -> None:
        old = Credential(SHA256, hashlib.sha256(b"passwordsalt").hexdigest(), None)
        assert await passwords.verify("password", old)
        assert not await passwords.verify("passwords", old)

    @pytest.mark.parametrize("hashed", ["", "x", "$40801$$", "$ffffffff$AAAA$AAAA"])
    async def test_nobody_knows_the_password_of_a_hash_that_is_none(
        self, passwords: ScryptPasswords, hashed: str
    ) -> None:
        assert not await passwords.verify("", Credential(SCRYPT, hashed, None))

    async def test_without_a_credential_the_answer_is_no_after_as_much_work(self) -> None:
        passwords = ScryptPasswords(ScryptCost(log2_n=14, r=8, p=1))
        credential = await passwords.hash("x")

        async def seconds(given: Credential | None) -> float:
            began = time.process_time()
            assert not await passwords.verify("y", given)
            return time.process_time() - began

        known, unknown = [min([await seconds(each) for _ in range(3)]) for each in (credential, None)]
        passwords.close()
        assert known / 3 < unknown < known * 3


class TestAttempts:
    def attempts(self, clock: HandClock) -> MemoryAttempts:
        return MemoryAttempts(clock.now_ms, interval_ms=1_000, threshold=3, longest_ms=10_000)

    def test_from_the_threshold_on_the_wait_doubles_up_to_its_longest(self, clock: HandClock) -> None:
        attempts, waits = self.attempts(clock), []
        for _ in range(8):
            attempts.failed("192.0.2.1")
            waits.append(attempts.wait_ms("192.0.2.1"))
        assert waits == [0, 0, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]
        assert attempts.wait_ms("192.0.2.2") == 0

    def test_it_passes_with_time_and_a_success_forgives(self, clock: HandClock) -> None:
        attempts = self.attempts(clock)
        for _ in range(3):
            attempts.failed("192.0.2.1")
        clock.ms += 600
        assert attempts.wait_ms("192.0.2.1") == 400
        clock.ms += 400
        assert attempts.wait_ms("192.0.2.1") == 0
        attempts.failed("192.0.2.1")
        attempts.succeeded("192.0.2.1")
        assert attempts.wait_ms("192.0.2.1") == 0

    def test_addresses_of_one_ipv6_site_are_one(self, clock: HandClock) -> None:
        attempts = self.attempts(clock)
        for host in range(3):
            attempts.failed(f"2001:db8::{host}")
        assert attempts.wait_ms("2001:db8::ffff") == 1_000
        assert attempts.wait_ms("2001:db8:0:1::1") == 0


class TestStrangers:
    def test_what_is_known_is_of_one_name_in_one_cell(self) -> None:
        strangers, failed = MemoryStrangers(), LoginHistory(None, 2, 3)
        strangers.save("cell", "nobody", LoginHistory(None, 1, 1))
        strangers.save("cell", "nobody", failed)
        assert strangers.find("cell", "nobody") == failed
        assert strangers.find("cell", "noone") == strangers.find("other", "nobody") == LoginHistory()

    def test_of_too_many_the_longest_without_a_failure_is_forgotten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("alveary.adapters.memory.attempts._KNOWN", 2)
        strangers = MemoryStrangers()
        for name in ("a", "b", "a", "c"):
            strangers.save("cell", name, strangers.find("cell", name).failed_at(1))
        assert [strangers.find("cell", name).failed_count for name in "abc"] == [2, 0, 1]


class Queue:
    """Logins that wait for their turn, and end when they are told to."""

    def __init__(self, *, most: int = 10, most_of_one: int = 10) -> None:
        self.turns = MemoryTurns(most=most, most_of_one=most_of_one)
        self.now: list[str] = []

    async def comes(self, name: str, address: str | None, *, cell: str = "cell") -> asyncio.Task[None]:
        """A login of *name* that has come; it is in ``now`` when it has its turn, until it is cancelled."""

        async def stay() -> None:
            async with self.turns.turn(cell, name, address):
                self.now.append(name)
                try:
                    await asyncio.get_running_loop().create_future()
                finally:
                    self.now.remove(name)

        task = asyncio.create_task(stay())
        await asyncio.sleep(0)
        return task

    async def goes(self, *logins: asyncio.Task[None]) -> None:
        for login in logins:
            login.cancel()
        await asyncio.wait(logins)
        await asyncio.sleep(0)


class TestTurns:
    async def test_one_account_and_one_address_have_one_turn_at_a_time(self) -> None:
        queue = Queue()
        first = await queue.comes("ann", "192.0.2.1")
        same_account = await queue.comes("ann", "192.0.2.2")
        same_address = await queue.comes("bob", "192.0.2.1")
        neither = await queue.comes("cid", "192.0.2.3")
        assert queue.now == ["ann", "cid"]
        await queue.goes(first)
        assert sorted(queue.now) == ["ann", "bob", "cid"]
        await queue.goes(same_account, same_address, neither)

    async def test_an_account_is_one_of_a_cell_and_an_ipv6_address_one_of_a_site(self) -> None:
        queue = Queue()
        logins = [await queue.comes("ann", f"2001:db8:0:{site}::1", cell=f"cell{site}") for site in range(2)]
        assert queue.now == ["ann", "ann"]
        logins.append(await queue.comes("bob", "2001:db8::2"))
        logins.extend([await queue.comes("cid", None), await queue.comes("dan", None)])
        assert queue.now == ["ann", "ann", "cid"]
        await queue.goes(*logins)

    async def test_nobody_waits_for_who_waits(self) -> None:
        queue = Queue()
        logins = [await queue.comes(name, "192.0.2.1") for name in ("eve", "ann")]
        owner = await queue.comes("ann", "192.0.2.2")
        assert queue.now == ["eve", "ann"]
        await queue.goes(*logins, owner)

    async def test_who_gives_up_makes_room_for_the_next_in_the_order_of_coming(self) -> None:
        queue = Queue()
        first, second, third, fourth = [await queue.comes(name, "192.0.2.1") for name in "abcd"]
        await queue.goes(second)
        assert queue.now == ["a"]
        await queue.goes(first)
        assert queue.now == ["c"]
        await queue.goes(third, fourth)
        assert queue.now == []

    async def test_one_more_than_may_wait_is_refused_by_address_and_in_all(self) -> None:
        queue = Queue(most=3, most_of_one=2)
        logins = [await queue.comes(name, "192.0.2.1") for name in "ab"]
        of_one = await queue.comes("c", "192.0.2.1")
        logins.append(await queue.comes("c", "192.0.2.2"))
        in_all = await queue.comes("d", "192.0.2.3")
        for refused in (of_one, in_all):
            assert await refusal_of(refused) is AUTHENTICATION_FAILED
        await queue.goes(*logins)
        assert (await queue.comes("e", "192.0.2.1")).cancel()
