"""Server processes: started, watched, ended by their id.

What belongs here: time to the first answer, and memory as PSS over a process and all its children. What does not:
which servers there are (``contestants``).
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"
MIB: Final = 1024 * 1024

_START_S: Final = 30
_STOP_S: Final = 30
_POLL_S: Final = 0.002
_SAMPLE_S: Final = 0.05
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


class BenchProblem(Exception):  # noqa: N818 - what keeps a measurement from being one is no error of ours
    """One sentence that says why there is no figure."""


@dataclass(frozen=True, slots=True)
class Process:
    """A server that answers at *port*; *start_s* is how long its first answer took."""

    pid: int
    port: int
    start_s: float

    def tree(self) -> list[int]:
        """The ids of the process and of all that descend from it."""
        found = [self.pid]
        for pid in found:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    found.extend(map(int, children.read_text().split()))
                except OSError:  # it ended meanwhile
                    continue
        return found

    def pss_mib(self) -> float:
        """The proportional set size of the whole tree, so that shared pages count once."""
        return sum(map(_pss_kib, self.tree())) / 1024

    def cpu_s(self) -> float:
        """The processor time of the process alone, that of its threads included."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    def open_files(self) -> int:
        """How many file descriptors the whole tree holds."""
        return sum(sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()) for pid in self.tree())


def _pss_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it ended meanwhile
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def free_port() -> int:
    """A port nobody listens at."""
    with socket.create_server((HOST, 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextmanager
def running(command: Sequence[str], folder: Path, port: int, probe: str) -> Iterator[Process]:
    """The server that *command* starts, from its first answer to a GET of *probe* until the block ends.

    Raises:
        BenchProblem: it ended or stayed silent; with the end of what it printed.
    """
    with (folder / "output.txt").open("ab") as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        while not _answers(port, probe):
            waited_s = time.perf_counter() - started
            if process.poll() is not None or waited_s > _START_S:
                said = "\n".join((folder / "output.txt").read_text(errors="replace").splitlines()[-5:])
                raise BenchProblem(f"{command[0]} did not answer within {waited_s:.1f} s. It said: {said}")
            time.sleep(_POLL_S)
        yield Process(process.pid, port, time.perf_counter() - started)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port: int, probe: str) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=5) as connection:
            request = f"GET {probe} HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n"
            connection.sendall(request.encode())
            return connection.recv(9) == b"HTTP/1.1 "
    except OSError:
        return False


@contextmanager
def peak_pss_mib(process: Process) -> Iterator[list[float]]:
    """A list that holds, once the block has ended, the largest memory sampled within it."""
    peak, done = [process.pss_mib()], threading.Event()

    def watch() -> None:
        while not done.wait(_SAMPLE_S):
            peak[0] = max(peak[0], process.pss_mib())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()
