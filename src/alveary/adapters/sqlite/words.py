"""Full-text search of user data: an index of the words of each set that has been searched and is large.

The index holds the tokens of ``model.words``, so that it finds what a look at every entity would. It is made in
steps, in the order of the rows, so that other writes get their turn between; a row that changes meanwhile is put in
by its writer if it is behind the step that was done last. What does not belong here: when a step is made (``part``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import apsw
import orjson

from alveary.model.entities import Entity
from alveary.model.words import phrase, texts, tokens

TABLES: Final = """
CREATE VIRTUAL TABLE word USING fts5(
  text, content='', contentless_delete=1,
  tokenize="unicode61 remove_diacritics 0 categories 'L* M* N* P* S* Co'"
);
CREATE TABLE worded (scope TEXT PRIMARY KEY, until INTEGER NOT NULL, whole INTEGER NOT NULL) WITHOUT ROWID;
CREATE TRIGGER word_removed AFTER DELETE ON entity
  WHEN old.kind = 'UserData' AND EXISTS (SELECT 1 FROM worded WHERE scope = old.scope AND until >= old.rowid)
BEGIN
  DELETE FROM word WHERE rowid = old.rowid;
END;
"""

_BETWEEN: Final = "\ue000"
"""A token between the texts of an entity: no word goes from one to the next."""

_STEP_ROWS: Final = 1_000


class WordIndexes:
    """Which sets have an index of their words; shared by the connections of a file."""

    def __init__(self) -> None:
        self._whole: set[str] = set()
        self._begun: set[str] = set()
        self._wanted: set[str] = set()

    def load(self, connection: apsw.Connection) -> None:
        """Learn which there are; those that were not finished are wanted again."""
        for scope, whole in connection.execute("SELECT scope, whole FROM worded"):
            self._begun.add(str(scope))
            (self._whole if whole else self._wanted).add(str(scope))

    def serves(self, scope: str) -> bool:
        """Whether the words of that scope are all in the index, as the latest state has it."""
        return scope in self._whole

    def want(self, scope: str) -> None:
        """Take note that an index would serve a search in *scope*."""
        self._wanted.add(scope)

    @property
    def wanted(self) -> bool:
        """Whether there is one to be made or gone on with."""
        return bool(self._wanted)

    def step(self, connection: apsw.Connection) -> str | None:
        """Go on with one that is wanted, as part of a transaction; its scope when it is whole by that."""
        scope = min(self._wanted)
        connection.execute("INSERT OR IGNORE INTO worded (scope, until, whole) VALUES (?, 0, 0)", (scope,))
        self._begun.add(scope)
        until = connection.execute("SELECT until FROM worded WHERE scope = ?", (scope,)).get
        rows = connection.execute(
            "SELECT rowid, json(document) FROM entity WHERE +kind = 'UserData' AND scope = ? AND rowid > ?"
            " ORDER BY rowid LIMIT ?",
            (scope, until, _STEP_ROWS),
        )
        found = [(int(rowid), _tokens(orjson.loads(document))) for rowid, document in rows]
        connection.executemany("INSERT INTO word (rowid, text) VALUES (?, ?)", found)
        whole = len(found) < _STEP_ROWS
        last = _END if whole else found[-1][0]
        connection.execute("UPDATE worded SET until = ?, whole = ? WHERE scope = ?", (last, whole, scope))
        return scope if whole else None

    def made(self, scope: str) -> None:
        """The index of that scope is whole for every connection."""
        self._whole.add(scope)
        self._wanted.discard(scope)

    def has(self, scope: str) -> bool:
        """Whether there is one of that scope, whole or not."""
        return scope in self._begun

    def put(self, connection: apsw.Connection, entity: Entity) -> None:
        """Put the words of *entity*, which has just been saved, in place of those it had, where they are indexed."""
        if not self.has(entity.scope):
            return
        rowid, until = next(
            iter(
                connection.execute(
                    "SELECT entity.rowid, worded.until FROM entity JOIN worded USING (scope) WHERE id = ?",
                    (entity.id,),
                )
            ),
            (0, -1),
        )
        if rowid <= until:
            connection.execute("DELETE FROM word WHERE rowid = ?", (rowid,))
            connection.execute("INSERT INTO word (rowid, text) VALUES (?, ?)", (rowid, _tokens(entity.values)))


_END: Final = 2**62
"""Behind every row: new ones are put in by their writers."""


def _tokens(document: object) -> str:
    assert isinstance(document, dict)
    return f" {_BETWEEN} ".join(" ".join(tokens(text)) for text in texts(document))


def search(words: Iterable[str]) -> str | None:
    """What finds all of *words* in the index, in the words of FTS5; None when one of them is found nowhere."""
    parts: list[str] = []
    for word in words:
        wanted, is_open = phrase(word)
        if not wanted:
            return None
        # Tokens are letters and digits alone: nothing in them ends the quotes.
        parts.append(f'"{" ".join(wanted)}"{" *" if is_open else ""}')
    return " AND ".join(parts)
