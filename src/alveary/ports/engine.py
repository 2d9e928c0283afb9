"""The script engine: it runs one service script, away from everything but the server's answers to its calls.

What does not belong here: which script a request leads to, and what a call may do (``usecases.scripts``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from alveary.model.entities import JsonValue
from alveary.model.script import HostCall, ScriptAnswer, ScriptJob


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """What scripts may use.

    ``workers`` bounds the processes that hold a tenant, ``spare_workers`` those kept ready for the next one.
    ``js_time_s`` counts while the script itself runs, ``wall_s`` from the request on, waiting included.
    """

    workers: int = 16
    spare_workers: int = 1
    per_cell_concurrency: int = 8
    requests_per_worker: int = 1000
    idle_s: float = 30.0
    memory_bytes: int = 64 * 1024 * 1024
    stack_bytes: int = 768 * 1024
    frame_bytes: int = 16 * 1024 * 1024
    js_time_s: float = 5.0
    wall_s: float = 50.0
    host_calls: int = 1000


class ScriptFailed(Exception):  # noqa: N818 - the story of a script, not a fault of ours
    """The script threw, answered in no valid form, broke a limit or lost its process; the text says which."""


class ScriptTimedOut(Exception):  # noqa: N818 - the story of a script, not a fault of ours
    """The script was killed at its deadline."""


class BadCall(Exception):  # noqa: N818 - the story of a script, not a fault of ours
    """A call that makes no sense; its text becomes an Error inside the script."""


class Host(Protocol):
    """The server's side of one run: all that the script can reach."""

    async def call(self, call: HostCall) -> JsonValue:
        """The result of *call*.

        Raises:
            Refusal: any; it becomes a ``_p.PersoniumException`` inside the script.
            BadCall: it becomes an Error there.
        """


class Engine(Protocol):
    """Runs scripts."""

    async def run(self, job: ScriptJob, host: Host) -> ScriptAnswer:
        """What the script answers to its request.

        Raises:
            Refusal: TOO_MANY_REQUESTS, SCRIPT_ENGINE_DOWN.
            ScriptFailed, ScriptTimedOut: the script's own end; nobody else is touched by it.
        """

    async def close(self) -> None:
        """End every process of the engine; runs in progress fail."""
