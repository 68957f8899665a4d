"""Confines this very process, then proves it by trying what must fail. Runs in the decoder child, before any clip."""

import contextlib
import ctypes
import errno
import os
from dataclasses import dataclass

from moderation.sandbox import landlock, limits, seccomp
from moderation.sandbox.limits import Cage

_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_V3 = 0x20080522


@dataclass(frozen=True, slots=True, kw_only=True)
class Confinement:
    """What was tried in the child and found refused, not what was asked for."""

    #: No sockets.
    network: bool
    #: No other program, no new process.
    processes: bool
    #: Nothing but the clip at hand and the runtime's own files.
    files: bool
    #: Why something is missing, for people.
    notes: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        return self.network and self.processes and self.files


def _no_new_privileges() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the kernel refused PR_SET_NO_NEW_PRIVS")


def _drop_capabilities() -> None:
    """Give up every capability: root without them is an owner of files, and may not touch its parent."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_V3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if libc.capset(header, nothing) != 0:
        raise OSError(ctypes.get_errno(), "the kernel kept this process's capabilities")


def _offer_to_oom_killer() -> None:
    with contextlib.suppress(OSError):
        fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, b"1000")
        finally:
            os.close(fd)


def _alone() -> None:
    """Landlock binds the calling thread and its descendants only, so no other may run yet."""
    if len(os.listdir("/proc/self/task")) != 1:  # noqa: PTH208
        raise OSError(errno.EBUSY, "a thread was running before confinement")


def confine(cage: Cage) -> Confinement:
    """Apply every bound of `cage` and report what was proven. Nothing that fails here raises: it is reported."""
    limits.apply(cage)
    _offer_to_oom_killer()
    notes: list[str] = []
    if cage.confine:
        steps = (
            _alone,
            _no_new_privileges,
            _drop_capabilities,
            lambda: landlock.restrict(cage.readable, cage.writable),
            seccomp.install,
        )
        for step in steps:
            try:
                step()
            except OSError as fault:
                notes.append(str(fault))
    return Confinement(network=_no_network(), processes=_no_processes(), files=_no_files(), notes=tuple(notes))


def _no_network() -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    for family in (1, 2, 10):  # AF_UNIX, AF_INET, AF_INET6
        fd = libc.socket(family, 1, 0)
        if fd >= 0:
            os.close(fd)
            return False
        if ctypes.get_errno() != errno.EPERM:
            return False
    return True


def _no_processes() -> bool:
    try:
        os.execv("/nonexistent", ["/nonexistent"])  # noqa: S606  refused before it is looked up, or the cage leaks
    except OSError as fault:
        if fault.errno != errno.EPERM:
            return False
    try:
        pid = os.fork()
    except OSError as fault:
        return fault.errno == errno.EPERM
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return False


def _no_files() -> bool:
    try:
        os.listdir("/")  # noqa: PTH208
    except PermissionError:
        return True
    return False
