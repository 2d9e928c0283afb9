"""The parent of all workers: a small process that has everything loaded and forks when told to.

It is started by the server and speaks over one socket: a byte and a worker's socket come in, the worker's
process id goes out, with a descriptor of the process where the system has such. It has one thread and no
secrets. What does not belong here: user data of any kind.
"""

from __future__ import annotations

import gc
import os
import signal
import socket

from alveary.adapters.engine.sandbox import confine, die_with
from alveary.adapters.engine.worker import Channel, Factory, serve

PRELUDE = os.path.join(os.path.dirname(__file__), "prelude.js")

_CONTROL = 3
_DESCRIPTORS = 256
"""More than a zygote ever has: it opens nothing, and a client's socket at most twice."""


def main(parent: int, descriptor: int, memory_bytes: int, stack_bytes: int, frame_bytes: int, cpu_s: int) -> None:
    """Fork workers for the process *parent* until its end of the socket *descriptor* is gone."""
    die_with(parent)
    # Who ends the server tells everybody, but the server has requests to finish. Nobody waits for workers.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_IGN)
    if descriptor != _CONTROL:  # low, so that every worker closes it with all it must not have
        os.dup2(descriptor, _CONTROL)
        os.close(descriptor)
    control = socket.socket(fileno=_CONTROL)
    with open(PRELUDE, encoding="utf-8") as file:
        prelude = file.read()
    channel = Channel(frame_bytes)
    factory = Factory(prelude, channel, memory_bytes, stack_bytes)
    runtime = factory.make([])
    # Twice what a script and its frames may take, in text and in bytes, and what Python itself maps.
    address_space_bytes = memory_bytes + 8 * frame_bytes + 64 * 1024 * 1024
    zygote = os.getpid()
    gc.collect()
    gc.freeze()
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not message:
            return
        process = os.fork()
        if process == 0:
            try:
                die_with(zygote)
                _become_worker(descriptors[0], channel, address_space_bytes, cpu_s)
                serve(channel, runtime, factory)
            finally:
                os._exit(0)
        os.close(descriptors[0])
        _announce(control, process)


def _become_worker(descriptor: int, channel: Channel, address_space_bytes: int, cpu_s: int) -> None:
    os.dup2(descriptor, 0)
    os.closerange(1, _DESCRIPTORS)
    channel.descriptor = 0
    missing = confine(address_space_bytes=address_space_bytes, cpu_s=cpu_s)
    channel.send(b"H", " ".join(missing).encode())


def _announce(control: socket.socket, process: int) -> None:
    try:
        # Taken here, by the parent: the server could only hope that the id is still the same process.
        descriptors = [os.pidfd_open(process)] if hasattr(os, "pidfd_open") else []
    except ProcessLookupError:
        descriptors = []
    socket.send_fds(control, [process.to_bytes(4, "big")], descriptors)
    for each in descriptors:
        os.close(each)
