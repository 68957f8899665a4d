"""What the decoder child is held to: the figures and folders, and the resource limits among them."""

import resource
from dataclasses import dataclass
from typing import Final

#: Pipes, the shared frames, a source, a target and what codecs open besides.
OPEN_FILES: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Cage:
    """The bounds of one child, fixed for its life.

    `readable` and `writable` are folders or files; everything else is out of reach where the kernel has Landlock.
    """

    memory_bytes: int
    file_bytes: int
    readable: tuple[str, ...]
    writable: tuple[str, ...]
    #: False lets the child do anything its user may; for tests that show what the cage is worth.
    confine: bool = True


def _lower(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (bound, bound))


def apply(cage: Cage) -> None:
    """Set this process's resource limits.

    RLIMIT_NPROC is left alone: it counts the threads of the user's other processes too, and root is exempt;
    the system-call filter refuses new processes. CPU time is the parent's watch: the kernel's is per life, not per job.
    """
    _lower(resource.RLIMIT_AS, cage.memory_bytes)
    _lower(resource.RLIMIT_FSIZE, cage.file_bytes)
    _lower(resource.RLIMIT_NOFILE, OPEN_FILES)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_MEMLOCK, 0)
