"""Values that are made by the thousand: frozen to the type checker, quick to make at run time.

A frozen dataclass sets each field through ``object.__setattr__``, which takes four times as long as making the same
object without. What does not belong here: any value itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def frozen(cls: type[T]) -> type[T]:
    """*cls* as a dataclass with slots, an equality and a hash; nothing but the type checker keeps it from change."""
    return dataclass(slots=True, unsafe_hash=True)(cls)
