"""What a writing transaction leaves for readers to notice: caches that no longer hold, blobs that nobody names."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from alveary.adapters.sqlite.indexes import PropertyIndexes
from alveary.adapters.sqlite.orphans import Orphans
from alveary.adapters.sqlite.words import WordIndexes
from alveary.model.tree import Node
from alveary.model.user_edm import Schema

FileChange = tuple[str, str, Node | None]
"""A file by its parent's id and its name, and what it is now: None when it is gone, or must be looked up."""

_TOLD_AT_MOST: Final = 1024


@dataclass(slots=True, eq=False)
class Marks:
    """Shared by the writer and the readers of one file while it is open, and told from those of another by identity.

    A reader forgets what it remembers when an epoch moves, and takes ``changed_files`` over one by one. ``dropped``
    are the blobs that the body under way has let go, ``garbage`` those of bodies that have succeeded; so with
    ``touched_files`` and ``written_files``, and ``files_added`` says that there are more, made by the thousand.
    ``schemas`` are those that were asked for since the schema epoch moved, by that epoch and the collection's node.
    """

    tree_epoch: int = 0
    control_epoch: int = 0
    schema_epoch: int = 0
    locks_epoch: int = 0
    tree_touched: bool = False
    control_touched: bool = False
    schema_touched: bool = False
    locks_touched: bool = False
    path_freed: bool = False
    files_added: bool = False
    touched_files: list[FileChange] = field(default_factory=list)
    written_files: list[FileChange] = field(default_factory=list)
    changed_files: deque[FileChange] = field(default_factory=deque)
    files_serial: int = 0
    dropped: list[str] = field(default_factory=list)
    garbage: list[str] = field(default_factory=list)
    schemas: dict[tuple[int, str], Schema] = field(default_factory=dict)
    indexes: PropertyIndexes = field(default_factory=PropertyIndexes)
    words: WordIndexes = field(default_factory=WordIndexes)
    orphans: Orphans = field(default_factory=Orphans)

    @property
    def stamp(self) -> tuple[Marks, int, int, int]:
        """What tells the latest state of collections, ACLs, locks and files not told of from those before."""
        return self, self.tree_epoch, self.locks_epoch, self.files_serial

    @property
    def outline_touched(self) -> bool:
        """Whether the transaction under way has changed one of these."""
        return self.tree_touched or self.locks_touched

    def keep_body(self) -> bool:
        """A body has succeeded; whether it freed a path."""
        self.garbage += self.dropped
        self.dropped.clear()
        self.written_files += self.touched_files
        self.touched_files.clear()
        freed, self.path_freed = self.path_freed, False
        return freed

    def forget_body(self) -> None:
        """The body under way was rolled back: rows name the blobs that it let go."""
        self.dropped.clear()
        self.touched_files.clear()
        self.path_freed = False

    def forget_all(self) -> None:
        """Nothing of the whole transaction was committed."""
        self.forget_body()
        self.garbage.clear()
        self.written_files.clear()

    def publish(self) -> list[str]:
        """Let readers notice what was committed; the ids of the blobs that were dropped."""
        if self.tree_touched:
            self.tree_epoch += 1
        if self.control_touched:
            self.control_epoch += 1
        if self.schema_touched:
            self.schema_epoch += 1
            self.schemas.clear()
        if self.locks_touched:
            self.locks_epoch += 1
        self.tree_touched = self.control_touched = self.schema_touched = self.locks_touched = False
        # Appended to, never replaced: the reader takes from its other end at the same time.
        self.changed_files.extend(self.written_files)
        self.written_files.clear()
        # Too many to tell, or nobody has read for long: what is remembered is given up.
        if self.files_added or len(self.changed_files) > _TOLD_AT_MOST:
            self.files_added = False
            self.files_serial += 1
            self.changed_files.clear()
        garbage, self.garbage = self.garbage, []
        return garbage
