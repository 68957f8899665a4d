"""Jobs a file that took its decoder over might run, and a few plain ones: a table for the sandbox's tests."""

import ctypes
import errno
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from moderation.sandbox.channel import Refused
from moderation.sandbox.shared import FrameWriter
from moderation.sandbox.wire import plain
from watermark.sampling import Account, ShotStart

Arguments = Mapping[str, Any]


def _attempt(act: Callable[[], object]) -> str:
    """The name of the errno an act ended with, or "done"."""
    try:
        act()
    except OSError as fault:
        return errno.errorcode.get(fault.errno or 0, str(fault))
    return "done"


def _syscall(number: int, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "")


def _fork() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def _connect(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=2):
        pass


def _thread() -> None:
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()


def _read(path: str) -> None:
    with Path(path).open("rb") as file:
        file.read(1)


def _write(path: str) -> None:
    with Path(path).open("ab") as file:
        file.write(b"x")


def attempts(arguments: Arguments, _: FrameWriter) -> object:
    """Try what a confined child must not be able to do, and a thread, which it must."""
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getppid()

    def _fcntl_signal() -> None:
        read, write = os.pipe()
        try:
            if libc.fcntl(read, 8, parent) < 0:
                raise OSError(ctypes.get_errno(), "")
        finally:
            os.close(read)
            os.close(write)

    acts: dict[str, Callable[[], object]] = {
        "socket": lambda: socket.socket().close(),
        "unix_socket": lambda: socket.socket(socket.AF_UNIX).close(),
        "connect": lambda: _connect(arguments["port"]),
        "fork": _fork,
        "execve": lambda: os.execv("/nonexistent", ["x"]),
        "spawn": lambda: subprocess.run([sys.executable, "-c", ""], check=False),
        "ptrace": lambda: _syscall(101 if os.uname().machine == "x86_64" else 117, 1, parent, 0, 0),
        "kill_parent": lambda: os.kill(parent, 0),
        "fcntl_signal": _fcntl_signal,
        "io_uring": lambda: _syscall(425, 1, 0),
        "chmod": lambda: Path(arguments["secret"]).chmod(0o600),
        "read_secret": lambda: _read(arguments["secret"]),
        "write_secret": lambda: _write(arguments["secret"]),
        "read_parent_memory": lambda: _read(f"/proc/{parent}/environ"),
        "write_source": lambda: _write(arguments["source"]),
        "read_source": lambda: _read(arguments["source"]),
        "write_target": lambda: _write(arguments["target"]),
        "thread": _thread,
    }
    return {name: _attempt(act) for name, act in acts.items()} | {
        "environment": sorted(os.environ),
        "descriptors": sorted(int(entry.name) for entry in Path("/proc/self/fd").iterdir()),
        "working_directory": str(Path.cwd()),
    }


def echo(arguments: Arguments, _: FrameWriter) -> object:
    return arguments["value"]


def spin(arguments: Arguments, _: FrameWriter) -> object:
    while True:
        pass


def sleep(arguments: Arguments, _: FrameWriter) -> object:
    time.sleep(arguments.get("seconds", 3600))
    return "slept"


def allocate(arguments: Arguments, _: FrameWriter) -> object:
    """Take more memory than any limit; what the kernel or libc answers decides how this ends."""
    return len([np.zeros(64 * 1024 * 1024, np.uint8) for _ in range(arguments["pieces"])])


def crash(arguments: Arguments, _: FrameWriter) -> object:
    os.kill(os.getpid(), signal.SIGSEGV) if arguments.get("kill") else ctypes.string_at(0)
    return None


def exit_now(arguments: Arguments, _: FrameWriter) -> object:
    os._exit(arguments["code"])


def refuse(arguments: Arguments, _: FrameWriter) -> object:
    raise Refused(arguments["code"])


def fill_disk(arguments: Arguments, _: FrameWriter) -> object:
    with Path(arguments["target"]).open("wb") as file:
        file.writelines(bytes(1024 * 1024) for _piece in range(arguments["megabytes"]))
    return None


def write_product(arguments: Arguments, _: FrameWriter) -> object:
    Path(arguments["target"]).write_bytes(arguments["text"].encode())
    return None


def link_product(arguments: Arguments, _: FrameWriter) -> object:
    Path(arguments["target"]).symlink_to(arguments["to"])
    return None


def sample(arguments: Arguments, writer: FrameWriter) -> object:
    """Numbered frames; the count, the size and a hang or death in the middle by what the source file says."""
    words = Path(arguments["source"]).read_text().split()
    count, height, width = (int(word) for word in words[:3])
    fault = words[3] if len(words) > 3 else ""
    for index in range(count):
        if fault == "die" and index == count // 2:
            os._exit(1)
        if fault == "refuse" and index == count // 2:
            raise Refused("decode_failed")
        if fault == "hang" and index == count // 2:
            time.sleep(3600)
        pixels = np.full((height, width, 3), index % 251, np.uint8)
        writer.write(index, index * 40, 0, pixels)
    writer.flush()
    return plain(Account(frames=count, shots=(ShotStart(start_ms=0, shot=0),), unseen=(), unseen_frames=0))


def raw(arguments: Arguments, writer: FrameWriter) -> object:
    """Say something the protocol does not know: bytes past all framing."""
    body = arguments["body"].encode()
    length = arguments.get("length", len(body))
    os.write(writer._send.__self__._answers, struct.pack(">I", length) + body)
    time.sleep(3600)
    return None


def forge(arguments: Arguments, writer: FrameWriter) -> object:
    """Hand over a batch that was never written."""
    writer._send(arguments["message"])
    time.sleep(3600)
    return None


TABLE = {
    "allocate": allocate,
    "attempts": attempts,
    "crash": crash,
    "echo": echo,
    "exit": exit_now,
    "fill_disk": fill_disk,
    "forge": forge,
    "link_product": link_product,
    "raw": raw,
    "refuse": refuse,
    "sample": sample,
    "sleep": sleep,
    "spin": spin,
    "write_product": write_product,
}
