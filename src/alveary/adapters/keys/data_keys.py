"""The keys under which a cell's files are encrypted at rest: each a file in the cell's folder, sealed by the unit.

They are files of their own because they are needed before any database is opened, and because a new secret of the
unit has to reach them while nothing runs. What does not belong here: which files are encrypted.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from alveary.adapters.keys.files import KEY_BYTES, NONCE_BYTES, write_secret
from alveary.errors import CONTENT_UNREADABLE, Refusal
from alveary.model.tree import Content
from alveary.ports.keys import Keys
from alveary.wire.chunks import ChunkCipher

FOLDER: Final = "keys"
_PURPOSE: Final = "data key"
_KNOWN_CIPHERS: Final = 1024
SEALED_INLINE_BYTES: Final = NONCE_BYTES + 16
"""How much longer bytes in a row are once they are sealed."""


class DataKeys:
    """The data keys of one cell."""

    def __init__(self, folder: Path, keys: Keys | None, *, new_id: Callable[[], str], encrypt: bool) -> None:
        """Use the keys under the cell's *folder*; with *encrypt* new files are encrypted, and a key made for them.

        *keys* is what seals them; None: there are none.
        """
        self._folder = folder / FOLDER
        self._keys = keys
        self._new_id = new_id
        self._encrypt = encrypt and keys is not None
        self._known: dict[str, bytes] = {}
        self._guard = threading.Lock()
        self._cipher_of = lru_cache(maxsize=_KNOWN_CIPHERS)(self._derive_cipher)

    def current(self) -> str | None:
        """The id of the key for new files; None: they are stored as they are."""
        if not self._encrypt:
            return None
        with self._guard:
            for key_id in self._known or self._stored():
                if self._load(key_id) is not None:
                    return key_id
            return self._make()

    def require(self, key_id: str) -> None:
        """Return when there is a key of that id.

        Raises:
            Refusal: CONTENT_UNREADABLE when it is lost.
        """
        if self._load(key_id) is None:
            raise Refusal(CONTENT_UNREADABLE)

    def blob_cipher(self, key_id: str, blob: str) -> ChunkCipher:
        """The cipher of the blob of that id, which has a key of its own.

        Raises:
            Refusal: CONTENT_UNREADABLE when the data key is lost.
        """
        return ChunkCipher(self._derive(key_id, f"blob {blob}"))

    def seal(self, content: Content) -> bytes | None:
        """What of *content* goes into its row.

        Raises:
            Refusal: CONTENT_UNREADABLE when its bytes are not known, so that they are not written over.
        """
        if content.key is None or content.blob is not None:
            return content.inline
        if content.inline is None:
            raise Refusal(CONTENT_UNREADABLE)
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher_of(content.key).encrypt(nonce, content.inline, content.sha256)

    def opened(self, content: Content) -> Content:
        """*content* as its row has it, with its bytes in the clear; without bytes when they cannot be read."""
        if content.key is None or content.inline is None:
            return content
        nonce, sealed = content.inline[:NONCE_BYTES], content.inline[NONCE_BYTES:]
        try:
            inline: bytes | None = self._cipher_of(content.key).decrypt(nonce, sealed, content.sha256)
        except (InvalidTag, ValueError, Refusal):
            inline = None
        return Content(content.size_bytes, content.sha256, inline, content.blob, content.key)

    def _derive_cipher(self, key_id: str) -> AESGCM:
        return AESGCM(self._derive(key_id, "rows"))

    def _derive(self, key_id: str, use: str) -> bytes:
        self.require(key_id)
        key = self._known[key_id]
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=f"alveary {use}".encode()).derive(key)

    # The files

    def _stored(self) -> list[str]:
        return [path.name for path in _paths(self._folder)]

    def _load(self, key_id: str) -> bytes | None:
        if key_id in self._known:
            return self._known[key_id]
        path = self._folder / key_id
        if self._keys is None or not path.exists():
            return None
        key = self._keys.unseal(_PURPOSE, path.read_bytes(), stored=True)
        if key is not None:
            self._known[key_id] = key
        return key

    def _make(self) -> str:
        if self._keys is None:
            raise LookupError("nothing seals data keys here")
        key_id, key = self._new_id(), os.urandom(KEY_BYTES)
        write_secret(self._folder / key_id, self._keys.seal(_PURPOSE, key))
        _sync_folders(self._folder, self._folder.parent)
        self._known[key_id] = key
        return key_id


def reseal(cells: Path, keys: Keys) -> None:
    """Seal all data keys of the *cells* under the newest secret, those alone that can be unsealed."""
    for path in chain.from_iterable(_paths(cell / FOLDER) for cell in sorted(cells.glob("*"))):
        sealed = path.read_bytes()
        key = None if keys.is_current(sealed) else keys.unseal(_PURPOSE, sealed, stored=True)
        if key is not None:
            write_secret(path, keys.seal(_PURPOSE, key))
            _sync_folders(path.parent)


def _paths(folder: Path) -> list[Path]:
    """The files of keys in *folder*, without those that were never finished."""
    return sorted(path for path in folder.glob("*") if not path.suffix)


def _sync_folders(*folders: Path) -> None:
    for folder in folders:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
