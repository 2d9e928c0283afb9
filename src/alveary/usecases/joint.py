"""Several calls that change a cell in one transaction: all of them or none.

Each call runs as it always does, up to the point where it would write; once all have come that far, what they would
do is done in their order. What does not belong here: which calls those are.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, TypeVar

from alveary.errors import Refusal
from alveary.model.cell import Cell
from alveary.ports import Ports
from alveary.ports.blobs import Blobs
from alveary.ports.store import Build, Contents, Keep, ReadTx, Store, WriteTx

T = TypeVar("T")

Body = Callable[[WriteTx], Awaitable[Any]]


class JointRefusal(Exception):  # noqa: N818 - an answer that says no
    """The call of that index said no, so none has done anything."""

    def __init__(self, index: int, refusal: Refusal) -> None:
        super().__init__(index)
        self.index = index
        self.refusal = refusal


async def together(ports: Ports, cell: Cell, calls: Sequence[Callable[[Ports], Awaitable[T]]]) -> list[T]:
    """What *calls* answer, each run with ports by which all write to the contents of *cell* in one transaction.

    Raises:
        JointRefusal: one of them refused; nothing is changed.
    """
    if not calls:
        return []
    joint = _Joint(len(calls))
    tasks = [
        asyncio.ensure_future(joint.run(index, call, replace(ports, store=_JointStore(ports.store, joint, index))))
        for index, call in enumerate(calls)
    ]
    try:
        await joint.arrived.wait()
        if joint.failure is not None:
            raise joint.failure
        answers = await ports.store.contents(cell).write(joint.body())
        joint.settle(answers)
        return [await task for task in tasks]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Joint:
    """Calls on their way to one transaction."""

    def __init__(self, count: int) -> None:
        self._waiting = count
        self._bodies: dict[int, tuple[Body, asyncio.Future[Any]]] = {}
        self.arrived = asyncio.Event()
        self.failure: BaseException | None = None

    async def run(self, index: int, call: Callable[[Ports], Awaitable[T]], ports: Ports) -> T:
        """What *call* answers; the first that fails ends it for all."""
        try:
            answer = await call(ports)
        except BaseException as problem:  # also one that is cancelled never comes to its write
            if self.failure is None:
                self.failure = JointRefusal(index, problem) if isinstance(problem, Refusal) else problem
            self.arrived.set()
            raise
        if index not in self._bodies:
            self._arrive()
        return answer

    def _arrive(self) -> None:
        self._waiting -= 1
        if self._waiting <= 0:
            self.arrived.set()

    async def write(self, index: int, body: Body) -> Any:
        """What *body* answers, once all is on disk; a call that writes twice would wait for ever."""
        if index in self._bodies:
            raise RuntimeError("a call that is one of several writes once")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._bodies[index] = body, future
        self._arrive()
        return await future

    def body(self) -> Callable[[WriteTx], Awaitable[dict[int, Any]]]:
        """All bodies as one, in the order of their calls."""

        async def one_after_another(tx: WriteTx) -> dict[int, Any]:
            answers: dict[int, Any] = {}
            for index in sorted(self._bodies):
                try:
                    answers[index] = await self._bodies[index][0](tx)
                except Refusal as refusal:
                    raise JointRefusal(index, refusal) from None
            return answers

        return one_after_another

    def settle(self, answers: dict[int, Any]) -> None:
        """Let the calls go on with what their bodies answered."""
        for index, answer in answers.items():
            self._bodies[index][1].set_result(answer)


class _JointContents:
    """Contents whose writes wait for one another."""

    def __init__(self, contents: Contents, joint: _Joint, index: int) -> None:
        self._contents = contents
        self._joint = joint
        self._index = index

    @property
    def blobs(self) -> Blobs:
        """Where the bytes of large files are."""
        return self._contents.blobs

    def read(self, body: Callable[[ReadTx], Awaitable[T]]) -> Awaitable[T]:
        """What *body* answers in the state before the transaction."""
        return self._contents.read(body)

    async def look(self, body: Callable[[ReadTx], Awaitable[T]]) -> T:
        """The same."""
        return await self._contents.look(body)

    async def scan(self, body: Callable[[ReadTx], Awaitable[T]]) -> T:
        """The same."""
        return await self._contents.scan(body)

    def stream(self, rows: Callable[[ReadTx], AsyncIterator[T]]) -> AsyncIterator[list[T]]:
        """The same."""
        return self._contents.stream(rows)

    async def write(self, body: Callable[[WriteTx], Awaitable[T]]) -> T:
        """What *body* answers, once it and all others are on disk."""
        answer: T = await self._joint.write(self._index, body)
        return answer


class _JointStore:
    """A store that hands out such contents."""

    def __init__(self, store: Store, joint: _Joint, index: int) -> None:
        self._store = store
        self._joint = joint
        self._index = index

    def contents(self, cell: Cell) -> Contents:
        """The contents of *cell*."""
        return _JointContents(self._store.contents(cell), self._joint, self._index)

    def keep(self, cell: Cell) -> Keep:
        """The keep of *cell*."""
        return self._store.keep(cell)

    def access_stamp(self, cell: Cell) -> object:
        """A value that changes with who may do what."""
        return self._store.access_stamp(cell)

    def locked(self, cell: Cell) -> str | None:
        """Why the contents refuse writes now."""
        return self._store.locked(cell)

    def lock(self, cell: Cell, reason: str) -> AbstractAsyncContextManager[None]:
        """Refuse writes of the contents."""
        return self._store.lock(cell, reason)

    def build(self, cell: Cell) -> AbstractAsyncContextManager[Build]:
        """New contents for *cell*."""
        return self._store.build(cell)
