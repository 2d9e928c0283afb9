"""Passphrases of snapshot files: the keys that come from them, and keeping one while an export runs.

A passphrase is never kept: its key is, sealed under the unit's secret, from the acceptance of an export to its end.
What does not belong here: what an encrypted file looks like (``wire.sealed_archive``).
"""

from __future__ import annotations

import unicodedata
from typing import Final

from alveary.errors import JOB_CUT, SNAPSHOT_NOT_ZIP, SNAPSHOT_PASSPHRASE, SNAPSHOT_SEALED, Refusal
from alveary.model.keep import JobKind, SnapshotFile
from alveary.model.seals import Seal, Stretch
from alveary.ports import Ports
from alveary.ports.blobs import BlobFile
from alveary.ports.store import Keep, KeepReadTx
from alveary.wire.chunks import Tampered
from alveary.wire.sealed_archive import (
    HEADER_BYTES,
    SALT_BYTES,
    SealedSource,
    parse_header,
    render_header,
)
from alveary.wire.zip import ZipProblem

_LOG2_N: Final = 15
_R: Final = 8
_P: Final = 3
"""What a guess costs: 32 MiB, three times, as OWASP has it."""

_PURPOSE: Final = "snapshot seal"


async def make(ports: Ports, passphrase: str) -> Seal:
    """A new seal that *passphrase* opens."""
    return await _stretched(ports, passphrase, Stretch(_LOG2_N, _R, _P, ports.ids.random(SALT_BYTES)))


async def of_file(ports: Ports, keep: Keep, file: SnapshotFile, passphrase: str | None) -> Seal | None:
    """The seal of *file* that *passphrase* leads to, None when the file is not encrypted.

    Raises:
        Refusal: SNAPSHOT_SEALED when there is no passphrase, SNAPSHOT_NOT_ZIP.
    """

    async def look(tx: KeepReadTx) -> bytes:
        with keep.blobs.open(file.content) as source:
            return source.read(HEADER_BYTES)

    try:
        stretch = parse_header(await keep.scan(look))
    except ZipProblem as problem:
        raise Refusal(SNAPSHOT_NOT_ZIP, cause=problem) from None
    if stretch is None:
        return None
    if passphrase is None:
        raise Refusal(SNAPSHOT_SEALED)
    return await _stretched(ports, passphrase, stretch)


def opened(source: BlobFile, seal: Seal | None) -> BlobFile | SealedSource:
    """*source* as a plain archive.

    Raises:
        Refusal: SNAPSHOT_PASSPHRASE.
    """
    try:
        return source if seal is None else SealedSource(source, seal)
    except Tampered:
        raise Refusal(SNAPSHOT_PASSPHRASE) from None


def hidden(ports: Ports, seal: Seal) -> bytes:
    """*seal* as a job's row keeps it."""
    return ports.keys.seal(_PURPOSE, render_header(seal.stretch) + seal.key)


def shown(ports: Ports, kept: bytes) -> Seal:
    """The seal that a job's row kept.

    Raises:
        Refusal: JOB_CUT when the secret is gone under which it was.
    """
    plain = ports.keys.unseal(_PURPOSE, kept, stored=True)
    stretch = None if plain is None else parse_header(plain)
    if plain is None or stretch is None:
        raise Refusal(JOB_CUT, job=JobKind.EXPORT.value)
    return Seal(stretch, plain[HEADER_BYTES:])


async def _stretched(ports: Ports, passphrase: str, stretch: Stretch) -> Seal:
    # Keyboards spell the same letters differently.
    return Seal(stretch, await ports.passwords.derive(unicodedata.normalize("NFC", passphrase), stretch))
