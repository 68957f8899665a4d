"""The one folder a child may see: a clip goes into `in`, what the child makes is taken from `out`. Parent side only."""

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from moderation.sandbox.channel import Broken

PREFIX: Final = "countersign-airlock-"
#: A folder this young may not have taken its lock yet.
_YOUNG_SECONDS: Final = 60
#: Names of our own: what a file was called never reaches the child.
_SOURCE: Final = "clip"
_PRODUCT: Final = "clip.mp4"
_BESIDE: Final = "beside"


class Airlock:
    """One child's folder, locked for as long as its owner lives. Holds one job's files at a time."""

    def __init__(self, parent: Path, *, links: bool = True) -> None:
        """Make the folder. `links=False` copies clips in: where the child could change what a link leads to."""
        self._links = links
        parent.mkdir(parents=True, exist_ok=True)
        self.root = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        self._lock = os.open(self.root / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.inside = self.root / "in"
        self.outside = self.root / "out"
        self.inside.mkdir(mode=0o700)
        self.outside.mkdir(mode=0o700)

    def open_for(self, source: Path) -> dict[str, str]:
        """Make one regular file visible to the child, by link where possible; the paths for its job's arguments.

        Raises OSError, ValueError.
        """
        source = source.resolve(strict=True)
        if not stat.S_ISREG(source.stat().st_mode):
            raise ValueError(f"{source} is not a regular file")
        place = self.inside / _SOURCE
        self._let_in(source, place)
        return {"source": str(place), "target": str(self.outside / _PRODUCT)}

    def lay_beside(self, files: Sequence[Path]) -> list[str]:
        """Make files of our own visible beside the clip, by link where possible; their paths. Raises OSError."""
        places = [self.inside / f"{_BESIDE}-{number}" for number in range(len(files))]
        for file, place in zip(files, places, strict=True):
            self._let_in(file.resolve(strict=True), place)
        return [str(place) for place in places]

    def _let_in(self, source: Path, place: Path) -> None:
        if self._links and source.stat().st_uid == os.geteuid():
            with contextlib.suppress(OSError):
                place.hardlink_to(source)
                return
        shutil.copyfile(source, place)

    def collect(self, target: Path, max_bytes: int) -> None:
        """Copy a file the child made to `target`. A copy, because the child may still hold the original open.

        Raises Broken unless it is a plain file of a sane size; `target` is then as it was.
        """
        made = self.outside / _PRODUCT
        try:
            fd = os.open(made, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as fault:
            raise Broken("the child made no such file") from fault
        try:
            facts = os.fstat(fd)
            if not stat.S_ISREG(facts.st_mode) or not 0 < facts.st_size <= max_bytes:
                raise Broken("the child made something else than a file")
            _copy(fd, target, facts.st_size)
        finally:
            os.close(fd)

    def empty(self) -> None:
        """Remove everything of the last job."""
        for folder in (self.inside, self.outside):
            for entry in os.scandir(folder):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    Path(entry.path).unlink(missing_ok=True)

    def close(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.close(self._lock)


def _copy(fd: int, target: Path, size: int) -> None:
    """Write exactly `size` bytes of `fd` to `target`, in one step from the reader's view."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as writing:
            copied = 0
            while copied < size and (count := os.sendfile(writing.fileno(), fd, copied, size - copied)):
                copied += count
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def sweep(parent: Path) -> int:
    """Remove the folders of owners that died; how many. One that is still locked is left alone."""
    removed = 0
    for root in parent.glob(PREFIX + "*"):
        with contextlib.suppress(OSError):
            facts = root.lstat()
            ours = stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.geteuid()
            if ours and time.time() - facts.st_mtime > _YOUNG_SECONDS and _abandoned(root):
                shutil.rmtree(root, ignore_errors=True)
                removed += 1
    return removed


def _abandoned(root: Path) -> bool:
    lock = os.open(root / "lock", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True
