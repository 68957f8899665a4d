"""Which folders the decoder child may open (Linux Landlock, kernel 5.13 and later). Narrows only, and for good.

After landlock(7): a ruleset names every right it handles; what no rule grants is refused.
"""

import contextlib
import ctypes
import errno
import os
from collections.abc import Iterable
from typing import Final

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_ABI_QUERY: Final = 1
_PATH_BENEATH: Final = 1

_WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_FILE, _MAKE_REG = 1 << 1, 1 << 2, 1 << 3, 1 << 5, 1 << 8
_TRUNCATE: Final = 1 << 14
_READ: Final = _READ_FILE | _READ_DIR
_WRITE: Final = _READ | _WRITE_FILE | _REMOVE_FILE | _MAKE_REG | _TRUNCATE
#: The rights that apply to a single file.
_OF_A_FILE: Final = _READ_FILE | _WRITE_FILE | _TRUNCATE

#: Before this ABI a file that may only be read can still be cut to nothing.
TRUNCATE_ABI: Final = 3
#: First ABI with: renaming across folders, truncation, TCP, device ioctl, scopes (abstract sockets, signals).
_RIGHTS_BY_ABI: Final = {1: 13, 2: 14, 3: 15, 5: 16}


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result = int(libc.syscall(number, *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), "Landlock is not to be had")
    return result


def version() -> int:
    """The kernel's Landlock ABI, 0 where there is none."""
    with contextlib.suppress(OSError):
        return _call(_CREATE, None, 0, _ABI_QUERY)
    return 0


def _handled(abi: int) -> int:
    bits = max(count for first, count in _RIGHTS_BY_ABI.items() if first <= abi)
    return (1 << bits) - 1


def _create(abi: int) -> int:
    rules = _Ruleset(_handled(abi), 0b11 if abi >= 4 else 0, 0b11 if abi >= 6 else 0)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    return _call(_CREATE, ctypes.byref(rules), size, 0)


def _allow(ruleset: int, path: str, rights: int) -> None:
    """Grant rights beneath a path; a path that is not there grants nothing."""
    try:
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError as fault:
        if fault.errno in (errno.ENOENT, errno.ENOTDIR, errno.EACCES):
            return
        raise
    try:
        if not os.path.isdir(path):  # noqa: PTH112  the child imports no more than it must
            rights &= _OF_A_FILE
        rule = _PathBeneath(rights, folder)
        _call(_ADD, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(folder)


def restrict(readable: Iterable[str], writable: Iterable[str]) -> None:
    """Let this thread, and all it starts, open nothing else. NO_NEW_PRIVS must be set. Raises OSError when refused."""
    abi = version()
    if abi == 0:
        raise OSError(errno.ENOSYS, "this kernel has no Landlock")
    handled = _handled(abi)
    ruleset = _create(abi)
    try:
        for path in readable:
            _allow(ruleset, path, _READ & handled)
        for path in writable:
            _allow(ruleset, path, _WRITE & handled)
        _call(_RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)
