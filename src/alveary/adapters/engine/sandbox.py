"""The walls around a worker, put up in the worker itself before it sees any user's byte.

Linux only, unprivileged, in ``ctypes`` so that no native code of ours is needed. Each wall stands alone: a
kernel that lacks one still gets the others. What does not belong here: what the worker does inside
(``worker``).
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
import sys

PR_SET_PDEATHSIG = 1
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2

NICENESS = 5
"""Scripts yield to the server, which has everybody's requests to serve."""

# seccomp's view of a call: struct seccomp_data; and its verdicts
DATA_NR, DATA_ARCH, DATA_ARG2 = 0, 4, 32
KILL_PROCESS, ALLOW = 0x80000000, 0x7FFF0000
LOAD, JUMP_EQUAL, JUMP_ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
PROT_EXEC = 4

AUDIT_ARCH_X86_64 = 0xC000003E
ALLOWED_X86_64 = {
    "read": 0,
    "write": 1,
    "close": 3,
    "munmap": 11,
    "brk": 12,
    "rt_sigaction": 13,
    "rt_sigprocmask": 14,
    "rt_sigreturn": 15,
    "sched_yield": 24,
    "mremap": 25,
    "madvise": 28,
    "getpid": 39,
    "exit": 60,
    "gettimeofday": 96,
    "getrusage": 98,
    "times": 100,
    "sigaltstack": 131,
    "futex": 202,
    "restart_syscall": 219,
    "clock_gettime": 228,
    "clock_getres": 229,
    "exit_group": 231,
    "getrandom": 318,
}
MAPPING_X86_64 = {"mmap": 9, "mprotect": 10}
"""Allowed unless the memory is to be executable, which the third argument of both says."""

LANDLOCK_CREATE_RULESET, LANDLOCK_RESTRICT_SELF, LANDLOCK_GET_VERSION = 444, 446, 1
LANDLOCK_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many rights on files each version of the interface knows; later versions as the last one here."""


def die_with(parent: int) -> None:
    """From now on this process is killed when *parent*, which started it, ends, however that ends."""
    if sys.platform == "linux":
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was faster
        os._exit(0)


def confine(*, address_space_bytes: int, cpu_s: int) -> list[str]:
    """Take from this process, for good, all that a script must not have; names the walls this system lacks.

    Afterwards it can compute, and read and write the descriptors it holds. Opening, connecting, forking,
    executing and mapping executable memory kill it.
    """
    os.nice(NICENESS)
    walls = {"no_new_privs": _renounce_privileges, "landlock": _close_files, "seccomp": _filter_calls}
    missing = []
    for name, raise_wall in walls.items():
        if name == "seccomp":  # last: the others need calls that it forbids
            _limit(address_space_bytes, cpu_s)
        try:
            raise_wall()
        except OSError:
            missing.append(name)
    return missing


def _renounce_privileges() -> None:
    _prctl(PR_SET_NO_NEW_PRIVS, 1)


def _limit(address_space_bytes: int, cpu_s: int) -> None:
    limits = {
        "RLIMIT_AS": address_space_bytes,
        "RLIMIT_CPU": cpu_s,
        "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_NPROC": 0,
        "RLIMIT_NOFILE": 0,
    }
    for name, value in limits.items():
        resource.setrlimit(getattr(resource, name), (value, value))


def _close_files() -> None:
    """Landlock: no file, no TCP, no signal and no abstract socket outside this process."""
    if sys.platform != "linux":
        raise OSError("Landlock is Linux's")
    version = _syscall(LANDLOCK_CREATE_RULESET, None, 0, LANDLOCK_GET_VERSION)
    files = (1 << LANDLOCK_FILE_RIGHTS[min(version, max(LANDLOCK_FILE_RIGHTS))]) - 1
    tcp = 0b11 if version >= 4 else 0
    scopes = 0b11 if version >= 6 else 0
    handled = struct.pack("=QQQ", files, tcp, scopes)
    ruleset = _syscall(LANDLOCK_CREATE_RULESET, handled, len(handled), 0)
    try:
        _syscall(LANDLOCK_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _filter_calls() -> None:
    """seccomp: what is not on the list kills the process."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise OSError("the numbers of the calls are known for Linux on x86_64 only")

    def load(offset: int) -> bytes:
        return struct.pack("=HBBI", LOAD, 0, 0, offset)

    def skip(test: int, value: int, if_true: int, if_false: int) -> bytes:
        return struct.pack("=HBBI", test, if_true, if_false, value)

    def verdict(value: int) -> bytes:
        return struct.pack("=HBBI", RETURN, 0, 0, value)

    program = [
        load(DATA_ARCH),
        skip(JUMP_EQUAL, AUDIT_ARCH_X86_64, 1, 0),
        verdict(KILL_PROCESS),
        load(DATA_NR),
    ]
    for number in ALLOWED_X86_64.values():
        program += [skip(JUMP_EQUAL, number, 0, 1), verdict(ALLOW)]
    for number in MAPPING_X86_64.values():
        program += [
            skip(JUMP_EQUAL, number, 0, 4),
            load(DATA_ARG2),
            skip(JUMP_ANY_BIT, PROT_EXEC, 0, 1),
            verdict(KILL_PROCESS),
            verdict(ALLOW),
        ]
    program.append(verdict(KILL_PROCESS))
    code = ctypes.create_string_buffer(b"".join(program))
    filter_program = struct.pack("@HP", len(program), ctypes.addressof(code))
    _prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.create_string_buffer(filter_program))


def _prctl(option: int, *arguments: object) -> None:
    _checked(ctypes.CDLL(None, use_errno=True).prctl(option, *_padded(arguments)))


def _syscall(number: int, *arguments: object) -> int:
    return _checked(ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), *_padded(arguments)))


def _padded(arguments: tuple[object, ...]) -> list[object]:
    # Both functions are variadic: an argument left out would be whatever its register holds.
    words = [ctypes.c_ulong(each) if isinstance(each, int) else each for each in arguments]
    return words + [ctypes.c_ulong(0)] * (4 - len(words))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
