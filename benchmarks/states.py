"""A state of a benchmark's own, and nothing left of it afterwards: its database may lie elsewhere when root asks."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from moderation.cluster import Place


@contextmanager
def passing_state() -> Iterator[Path]:
    """Give an empty state folder; removes it and its database cluster when the block ends."""
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        state = Path(scratch) / "state"
        state.mkdir(mode=0o700)
        try:
            yield state
        finally:
            place = Place.read(state / "postgres")
            if place is not None and not place.data.is_relative_to(state):
                shutil.rmtree(place.data.parent, ignore_errors=True)
