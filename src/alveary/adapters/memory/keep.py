"""The keep of a cell in dictionaries: snapshot files, jobs, logins, keys.

What does not belong here: anything that an import replaces.
"""

from __future__ import annotations

import builtins
from dataclasses import dataclass, field, fields, replace
from typing import Self

from alveary.model.keep import FamilyState, Job, JobKind, LoginHistory, SigningKey, SnapshotFile


@dataclass(frozen=True, slots=True, eq=False)
class KeepState:
    """What there is."""

    snapshots: dict[str, SnapshotFile] = field(default_factory=dict)
    jobs: dict[JobKind, Job] = field(default_factory=dict)
    logins: dict[str, LoginHistory] = field(default_factory=dict)
    families: dict[str, tuple[FamilyState, int]] = field(default_factory=dict)
    signing_keys: dict[str, SigningKey] = field(default_factory=dict)

    def copy(self) -> Self:
        """The same again."""
        return type(self)(*(getattr(self, each.name).copy() for each in fields(self)))

    def blobs(self) -> set[str]:
        """The ids of the blobs that files name."""
        return {file.content.blob for file in self.snapshots.values() if file.content.blob}


class KeepTx:
    """The keep of a cell, to read or to change: the port's types say which."""

    def __init__(self, state: KeepState, now_ms: int) -> None:
        self.now_ms = now_ms
        self.snapshots = MemorySnapshots(state)
        self.jobs = MemoryJobRows(state)
        self.logins = MemoryLogins(state)
        self.families = MemoryFamilies(state, now_ms)
        self.signing_keys = MemorySigningKeys(state)

    @property
    def path_freed(self) -> bool:
        """Whether something was removed that may be made again under its old name."""
        return self.snapshots.path_freed


class MemorySnapshots:
    """The snapshot area."""

    def __init__(self, state: KeepState) -> None:
        self._files = state.snapshots
        self.path_freed = False

    async def find(self, name: str) -> SnapshotFile | None:
        """The file of that name."""
        return self._files.get(name)

    async def list(self) -> builtins.list[SnapshotFile]:
        """All files, ordered by name, without inline bytes."""
        return [replace(file, content=replace(file.content, inline=None)) for _, file in sorted(self._files.items())]

    async def count(self) -> int:
        """How many files there are."""
        return len(self._files)

    async def save(self, file: SnapshotFile) -> None:
        """Make or replace the file of that name; what it held before is dropped."""
        self._files[file.name] = file

    async def remove(self, name: str) -> None:
        """Remove the file of that name."""
        self.path_freed = True
        self._files.pop(name, None)


class MemoryJobRows:
    """The exports and imports that have not ended."""

    def __init__(self, state: KeepState) -> None:
        self._jobs = state.jobs

    async def current(self) -> list[Job]:
        """All of them, the oldest first."""
        return sorted(self._jobs.values(), key=lambda job: job.started_ms)

    async def save(self, job: Job) -> None:
        """Make or replace the job of that kind."""
        self._jobs[job.kind] = job

    async def remove(self, job: Job) -> None:
        """Forget the job of that kind: it has ended."""
        self._jobs.pop(job.kind, None)


class MemoryLogins:
    """The login history of a cell's accounts."""

    def __init__(self, state: KeepState) -> None:
        self._logins = state.logins

    async def find(self, account_id: str) -> LoginHistory:
        """What is known of the account's logins; empty when nothing is."""
        return self._logins.get(account_id, LoginHistory())

    async def save(self, account_id: str, history: LoginHistory) -> None:
        """Replace what is known."""
        self._logins[account_id] = history


class MemoryFamilies:
    """What became of families of tokens."""

    def __init__(self, state: KeepState, now_ms: int) -> None:
        self._families = state.families
        self._now_ms = now_ms

    async def find(self, family: str) -> FamilyState | None:
        """What became of the family of that id; None when nothing did."""
        state, _ = self._families.get(family, (None, 0))
        return state

    async def save(self, family: str, state: FamilyState, until_ms: int) -> None:
        """Remember that until then; what is over is forgotten."""
        for over in [each for each, (_, end_ms) in self._families.items() if end_ms <= self._now_ms]:
            del self._families[over]
        self._families[family] = state, until_ms


class MemorySigningKeys:
    """The keys by which the cell signs."""

    def __init__(self, state: KeepState) -> None:
        self._keys = state.signing_keys

    async def newest(self) -> SigningKey | None:
        """The one to sign with; None when none was made yet."""
        return max(self._keys.values(), key=lambda key: key.created_ms, default=None)

    async def save(self, key: SigningKey) -> None:
        """Make or replace the key of that id."""
        self._keys[key.id] = key
