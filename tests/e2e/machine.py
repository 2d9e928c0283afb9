"""What tests of faults do to the machine: small disks, system calls watched, processes and their memory read."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

MAX_WAIT_S = 20.0


def until(condition: Callable[[], bool]) -> None:
    """Come back when *condition* holds."""
    deadline = time.monotonic() + MAX_WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "it never comes true"
        time.sleep(0.005)


# Disks


@dataclass(frozen=True, slots=True)
class Disk:
    """A small disk of its own, mounted at ``folder``."""

    folder: Path

    @property
    def free_bytes(self) -> int:
        """What is left of it."""
        disk = os.statvfs(self.folder)
        return disk.f_bavail * disk.f_frsize

    def fill(self, left_bytes: int = 0) -> None:
        """Leave only that much of it."""
        with (self.folder / "filler").open("wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, self.free_bytes - left_bytes)

    def clear(self) -> None:
        """Give back what was filled."""
        (self.folder / "filler").unlink()

    def writable(self, yes: bool) -> None:
        """Let nobody write to it any more, or everybody again."""
        mode = "rw" if yes else "ro"
        subprocess.run(["mount", "-o", f"remount,{mode}", str(self.folder)], check=True, capture_output=True)


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[Disk]:
    """A disk of that size at *folder*; the test is skipped where this process may not mount one."""
    folder.mkdir(parents=True)
    options = f"size={size_bytes},mode=700"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this process may not mount a disk")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


# Processes


def descendants(process: int) -> list[int]:
    """The processes that *process* and its children have started and that still run."""
    found: list[int] = []
    for each in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = each.read_text(encoding="utf-8", errors="replace").rpartition(") ")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == process and fields[0] != "Z":
            found.append(int(each.parent.name))
    return found + [below for child in found for below in descendants(child)]


def runs(process: int) -> bool:
    """Whether *process* is there and no zombie."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(") ")[2][0] != "Z"


def resident_bytes(process: int) -> int:
    """The memory that *process* has to itself."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    found = re.search(r"^RssAnon:\s+(\d+) kB", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


# System calls


@dataclass(frozen=True, slots=True)
class Syscall:
    """A call that has ended: its name, and its arguments as strace prints them, descriptors with their paths."""

    name: str
    arguments: str

    def on(self, ending: str) -> bool:
        """Whether it is about a file whose path ends so."""
        return f"{ending}>" in self.arguments


@contextmanager
def system_calls(process: int, output: Path) -> Iterator[Callable[[], list[Syscall]]]:
    """What gives the writing and syncing calls of *process* since the block began, in the order of their ends."""
    strace = shutil.which("strace")
    if strace is None:
        assert "CI" not in os.environ, "strace is missing"
        pytest.skip("strace is not installed")
    calls = "trace=write,writev,sendto,sendmsg,pwrite64,rename,renameat,renameat2,fsync,fdatasync"
    command = [strace, "-f", "-y", "-s", "24", "-e", calls, "-o", str(output), "-p", str(process)]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    first = tracer.stderr.readline()
    if "attached" not in first:
        tracer.wait(MAX_WAIT_S)
        tracer.stderr.close()
        pytest.skip(f"this process may not watch another: {first}")

    def ended() -> list[Syscall]:
        tracer.terminate()
        tracer.wait(MAX_WAIT_S)
        return _parse(output.read_text(encoding="utf-8", errors="replace"))

    try:
        yield ended
    finally:
        tracer.terminate()
        tracer.wait(MAX_WAIT_S)
        tracer.stderr.close()


def _parse(text: str) -> list[Syscall]:
    calls: list[Syscall] = []
    begun: dict[str, str] = {}
    for line in text.splitlines():
        thread, _, rest = line.partition(" ")
        rest = rest.strip()
        if rest.endswith("<unfinished ...>"):
            begun[thread] = rest.removesuffix("<unfinished ...>")
            continue
        resumed = re.match(r"<\.\.\. \w+ resumed>(.*)", rest)
        if resumed:
            rest = begun.pop(thread, "") + resumed[1]
        if found := re.match(r"(\w+)\((.*)", rest):
            calls.append(Syscall(found[1], found[2]))
    return calls
