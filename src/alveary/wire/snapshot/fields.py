"""JSON objects of a snapshot, read member by member with the place at hand to blame.

What does not belong here: which members an object has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NoReturn

import orjson

from alveary.model.entities import JsonValue
from alveary.wire.snapshot.layout import SnapshotProblem

MAX_DEPTH: Final = 64
"""How deeply objects and lists may be nested: far below what the writer of JSON can write again."""

_MAX_NUMBER: Final = (1 << 63) - 1
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True, slots=True)
class Fields:
    """The members of one object, and where it stands."""

    members: Mapping[str, JsonValue]
    entry: str
    line_number: int = 0

    @classmethod
    def parse(cls, raw: bytes, entry: str, line_number: int = 0) -> Fields:
        """The object in *raw*.

        Raises:
            SnapshotProblem: it is no JSON object, or is nested too deeply.
        """
        try:
            value = orjson.loads(raw)
        except orjson.JSONDecodeError as problem:
            raise SnapshotProblem(entry, line_number, f"no JSON: {problem.msg}") from None
        fields = cls(value, entry, line_number)
        if not isinstance(value, dict):
            fields.refuse("no JSON object")
        if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and _is_deeper(value, MAX_DEPTH):
            fields.refuse(f"nested more than {MAX_DEPTH} deep")
        return fields

    def refuse(self, cause: str) -> NoReturn:
        """Blame this object."""
        raise SnapshotProblem(self.entry, self.line_number, cause)

    def optional_text(self, key: str) -> str | None:
        """The text at *key*, None when absent or null."""
        value = self.members.get(key)
        if value is not None and not isinstance(value, str):
            self.refuse(f"{key} is no text")
        return value

    def text(self, key: str) -> str:
        """The text at *key*."""
        value = self.optional_text(key)
        return self.refuse(f"{key} is missing") if value is None else value

    def optional_id(self, key: str) -> str | None:
        """The id at *key*, None when absent or null."""
        value = self.optional_text(key)
        return None if value is None else self.check_id(key, value)

    def id(self, key: str) -> str:
        """The id at *key*."""
        return self.check_id(key, self.text(key))

    def check_id(self, key: str, value: str) -> str:
        """*value*, found at *key*, if it is an id."""
        return value if _ID.fullmatch(value) else self.refuse(f"{key} is no id")

    def number(self, key: str, default: int | None = None) -> int:
        """The whole number at *key*, 0 or more; *default* when absent or null."""
        value = self.members.get(key)
        if value is None and default is not None:
            return default
        if type(value) is not int or not 0 <= value <= _MAX_NUMBER:
            self.refuse(f"{key} is no whole number")
        return value

    def flag(self, key: str) -> bool | None:
        """The truth value at *key*, None when absent or null."""
        value = self.members.get(key)
        if value is not None and not isinstance(value, bool):
            self.refuse(f"{key} is no truth value")
        return value

    def object(self, key: str) -> dict[str, JsonValue]:
        """The object at *key*, an empty one when absent or null."""
        value = self.members.get(key)
        if value is None:
            return {}
        return value if isinstance(value, dict) else self.refuse(f"{key} is no object")

    def texts(self, key: str) -> dict[str, str]:
        """The object at *key*, all of whose members are texts."""
        found: dict[str, str] = {}
        for name, value in self.object(key).items():
            if not isinstance(value, str):
                self.refuse(f"{name} in {key} is no text")
            found[name] = value
        return found


def to_bytes(value: JsonValue) -> bytes:
    """*value* as compact JSON in UTF-8."""
    return orjson.dumps(value)


def _is_deeper(value: JsonValue, depth: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    if not depth:
        return True
    inner = value.values() if isinstance(value, dict) else value
    return any(_is_deeper(each, depth - 1) for each in inner)
