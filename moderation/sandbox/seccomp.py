"""The system-call filter of the decoder child (Linux seccomp, classic BPF). Built here, installed by `confinement.py`.

After seccomp(2) and Documentation/userspace-api/seccomp_filter.rst: the program reads `struct seccomp_data`
(number, architecture, instruction pointer, six arguments) and returns a verdict.
"""

import ctypes
import errno
import os
import platform
import struct
from typing import Final

from moderation.sandbox import syscalls
from moderation.sandbox.syscalls import Numbers

_ALLOW: Final = 0x7FFF0000
_KILL: Final = 0x80000000
_EPERM: Final = 0x00050000 | errno.EPERM
_ENOSYS: Final = 0x00050000 | errno.ENOSYS

_LOAD, _RETURN = 0x20, 0x06
_EQUAL, _GREATER, _ANY_BIT = 0x15, 0x25, 0x45

_CLONE_THREAD: Final = 0x00010000
#: F_SETOWN, F_SETSIG, F_SETOWN_EX: they let a pipe send any signal to any process of this user.
_FCNTL_SIGNALS: Final = (8, 10, 15)
#: TIOCSTI, TIOCLINUX (typing into a terminal), FIOSETOWN, SIOCSPGRP.
_IOCTL_REFUSED: Final = (0x5412, 0x541C, 0x8901, 0x8902)

_PR_SET_SECCOMP: Final = 22
_SECCOMP_MODE_FILTER: Final = 2

#: `uname -m` -> (index into `Numbers`, AUDIT_ARCH value).
_MACHINES: Final = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}


def _op(code: int, k: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, k)


def _argument(index: int) -> bytes:
    """Load the low half of an argument (both architectures are little-endian)."""
    return _op(_LOAD, 16 + 8 * index)


def _when(number: int, body: bytes) -> bytes:
    """`body`, which must return, for one system call; the number stays loaded for the others."""
    return _op(_EQUAL, number, 0, len(body) // 8) + body


def _refuse_values(index: int, values: tuple[int, ...]) -> bytes:
    tests = b"".join(_op(_EQUAL, value, 0, 1) + _op(_RETURN, _EPERM) for value in values)
    return _argument(index) + tests + _op(_RETURN, _ALLOW)


def _allow_values(index: int, values: tuple[int, ...]) -> bytes:
    tests = b"".join(_op(_EQUAL, value, 0, 1) + _op(_RETURN, _ALLOW) for value in values)
    return _argument(index) + tests + _op(_RETURN, _EPERM)


def _threads_only() -> bytes:
    return _argument(0) + _op(_ANY_BIT, _CLONE_THREAD, 0, 1) + _op(_RETURN, _ALLOW) + _op(_RETURN, _EPERM)


def program(machine: str, pid: int) -> bytes:
    """The filter for one process on one architecture, as `struct sock_filter[]`.

    Raises KeyError on an architecture it has no numbers for.
    """
    column, audit_arch = _MACHINES[machine]

    def number(call: Numbers) -> int:
        value = call[column]
        assert value is not None
        return value

    refused = [call[column] for call in syscalls.REFUSED.values()]
    return b"".join(
        [
            _op(_LOAD, 4),
            _op(_EQUAL, audit_arch, 1, 0),
            _op(_RETURN, _KILL),
            _op(_LOAD, 0),
            _op(_GREATER, syscalls.NEWEST, 0, 1),
            _op(_RETURN, _ENOSYS),
            # Its flags lie behind a pointer that a filter cannot read; libc falls back to clone.
            _when(number(syscalls.CLONE3), _op(_RETURN, _ENOSYS)),
            _when(number(syscalls.CLONE), _threads_only()),
            _when(number(syscalls.TGKILL), _allow_values(0, (pid,))),
            _when(number(syscalls.PRLIMIT64), _allow_values(0, (0, pid))),
            _when(number(syscalls.FCNTL), _refuse_values(1, _FCNTL_SIGNALS)),
            _when(number(syscalls.IOCTL), _refuse_values(1, _IOCTL_REFUSED)),
            *(_when(call, _op(_RETURN, _EPERM)) for call in refused if call is not None),
            _op(_RETURN, _ALLOW),
        ]
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def install() -> None:
    """Put the filter on this thread and all it starts; NO_NEW_PRIVS must be set. Raises OSError when refused."""
    machine = platform.machine()
    if machine not in _MACHINES:
        raise OSError(errno.ENOSYS, f"no system-call table for {machine}")
    code = program(machine, os.getpid())
    buffer = ctypes.create_string_buffer(code, len(code))
    request = _Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(request), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the kernel refused the system-call filter")
