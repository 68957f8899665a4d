"""The vault of clip files: content-addressed blobs in a folder or an object store. Never decides what may leave it."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import obstore
from obstore.exceptions import AlreadyExistsError, NotFoundError
from obstore.store import LocalStore, from_url

from moderation.errors import NotFound, Outage

#: Blob prefixes are retention classes' handles (`retention` table: `blob:upload`, ...).
Prefix = Literal["upload", "marked", "veiled", "personal", "sealed", "recording"]

CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A stored file: where it lies, what it holds."""

    key: str
    sha256: str
    size: int


def hash_file(path: Path) -> tuple[str, int]:
    """Return the SHA-256 (hex) and size in bytes of a file, read in chunks."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


class Store:
    """Blobs under `org/prefix/aa/sha256`: equal bytes are stored once, and never overwritten."""

    def __init__(self, state: Path, url: str = "") -> None:
        self._folder = None if url else state / "blobs"
        self._scratch = state / "scratch"
        self._scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._backend: Any = LocalStore(self._folder)
        else:
            self._backend = from_url(url)

    def put(self, org: str, prefix: Prefix, path: Path) -> Blob:
        """Store a file under its own hash; storing the same bytes again changes nothing. Raises Outage("blobs")."""
        sha256, size = hash_file(path)
        key = f"{org}/{prefix}/{sha256[:2]}/{sha256}"
        try:
            with path.open("rb") as file:
                obstore.put(self._backend, key, file, mode="create", use_multipart=self._folder is None)
        except AlreadyExistsError:
            pass
        except (OSError, obstore.exceptions.BaseError) as error:
            raise Outage("blobs", f"the blob store did not take {size} bytes: {error}") from error
        return Blob(key=key, sha256=sha256, size=size)

    @contextmanager
    def open(self, key: str) -> Iterator[Path]:
        """Give a local path holding the blob, for as long as the block lasts. Raises NotFound, Outage("blobs")."""
        if self._folder is not None:
            path = self._folder / key
            if not path.is_file():
                raise NotFound(f"the blob {key} is not in the store")
            yield path
            return
        with self.scratch() as folder:
            path = folder / "blob"
            self._download(key, path)
            yield path

    def stream(self, key: str, start: int, end: int) -> Iterator[bytes]:
        """Yield bytes `start` (included) to `end` (excluded) of a blob, in chunks."""
        for at in range(start, end, CHUNK):
            size = min(CHUNK, end - at)
            yield bytes(obstore.get_range(self._backend, key, start=at, length=size))

    def has(self, key: str) -> bool:
        """Whether a blob is there. Raises Outage("blobs")."""
        try:
            obstore.head(self._backend, key)
        except (NotFoundError, FileNotFoundError):
            return False
        except (OSError, obstore.exceptions.BaseError) as error:
            raise Outage("blobs", str(error)) from error
        return True

    def delete(self, key: str) -> None:
        """Remove a blob; removing what is gone is no error."""
        try:
            obstore.delete(self._backend, key)
        except (NotFoundError, FileNotFoundError):
            return
        except (OSError, obstore.exceptions.BaseError) as error:
            raise Outage("blobs", str(error)) from error

    def list(self, prefix: str) -> Iterator[tuple[str, Any]]:
        """Yield key and last-modified time of every blob below a prefix."""
        for batch in obstore.list(self._backend, prefix=prefix):
            for item in batch:
                yield item["path"], item["last_modified"]

    def free_bytes(self) -> int:
        """Space left where scratch files (and local blobs) lie."""
        return shutil.disk_usage(self._scratch).free

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A private folder that is gone after the block; sandboxed children work in these."""
        with tempfile.TemporaryDirectory(dir=self._scratch, prefix="job-") as name:
            yield Path(name)

    def _download(self, key: str, path: Path) -> None:
        try:
            with path.open("wb") as file:
                for chunk in obstore.get(self._backend, key).stream(min_chunk_size=CHUNK):
                    file.write(chunk)
        except (NotFoundError, FileNotFoundError) as error:
            raise NotFound(f"the blob {key} is not in the store") from error
        except (OSError, obstore.exceptions.BaseError) as error:
            raise Outage("blobs", str(error)) from error
