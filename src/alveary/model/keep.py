"""What a cell keeps beside its contents, and no import replaces: snapshot files, jobs, logins, keys.

What does not belong here: the contents of a snapshot file (``wire``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

from alveary.model.names import SnapshotFileName
from alveary.model.tree import Content


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """One file of the snapshot area."""

    name: SnapshotFileName
    media_type: str
    content: Content
    version: int
    published_ms: int
    updated_ms: int


class JobKind(StrEnum):
    """What a job does to its cell; the text that a refusal names it by."""

    EXPORT = "cell export"
    IMPORT = "cell import"


@dataclass(frozen=True, slots=True)
class Job:
    """An export or import that has been accepted and has not ended: what a restart finds and ends.

    ``contents`` names the contents that were in service when it began, ``progress`` is the share of bytes done, 0
    to 100. ``seal`` is, sealed under the unit's secret, what the export is to be encrypted with.
    """

    kind: JobKind
    name: str
    started_ms: int
    contents: str
    progress: int = 0
    seal: bytes | None = None


@dataclass(frozen=True, slots=True)
class LoginHistory:
    """What is known of an account's logins; ``failed_count`` counts the failures since the last success."""

    last_authenticated_ms: int | None = None
    failed_count: int = 0
    last_failure_ms: int = 0

    def failed_at(self, now_ms: int) -> Self:
        """The same after one more failure."""
        return replace(self, failed_count=self.failed_count + 1, last_failure_ms=now_ms)


class FamilyState(StrEnum):
    """What became of a family of tokens: all those that one login, or one assertion, led to.

    ``REDEEMED``: its authorization code was exchanged, and must not be again. ``REVOKED``: none of its tokens is
    good.
    """

    REDEEMED = "redeemed"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key by which the cell signs: its id, and its private half, sealed under the unit's secret."""

    id: str
    created_ms: int
    sealed: bytes
