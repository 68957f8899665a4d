"""Files as they arrive: a multipart body goes straight to a scratch file, hashed and counted on the way.

Nothing is held in memory but one buffer and the small metadata part, and nothing stays behind whatever happens.
"""

import asyncio
import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool

from moderation.errors import ModerationError, Outage, TooLarge
from moderation.sandbox.refusals import refusal
from moderation.settings import Limits

BUFFER_BYTES = 1024 * 1024
#: A client that sends nothing for so long is gone.
STALL_SECONDS = 30.0
#: And so is one that sends less than this in the mean.
LEAST_BYTES_A_SECOND = 16 * 1024
#: A patient reader lets so many times the largest file pass by, to answer a sender who is still sending.
PATIENCE = 2
#: Room for boundaries and part headers beside the two parts.
FRAMING_BYTES = 16 * 1024
#: What stands beside the file in the API's bodies.
METADATA = frozenset({"metadata"})
PREFIX = "upload-"
#: A scratch file older than this that nobody has locked belongs to a process that died.
ABANDONED_SECONDS = 60.0


class Malformed(ModerationError):
    """The body is not what its Content-Type says."""

    status = 400
    code = "malformed_body"


class Unsupported(ModerationError):
    """Send multipart/form-data with a part named `file`, or application/json."""

    status = 415
    code = "unsupported_media_type"


class Stalled(ModerationError):
    """The body stopped arriving."""

    status = 408
    code = "stalled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A whole body: the file on disk, its SHA-256 (hex), and the other parts' bytes by name.

    Of a file that is too large only the beginning is there; only a patient reader gets one.
    """

    path: Path
    sha256: str
    size: int
    texts: Mapping[str, bytes]
    too_large: bool = False

    @property
    def metadata(self) -> bytes:
        """The part `metadata`, empty when there was none."""
        return self.texts.get("metadata", b"")


class Spool:
    """Bytes on their way to a scratch file. `take` is cheap; `flush` writes and hashes, outside the event loop."""

    def __init__(self, descriptor: int, limits: Limits, *, patient: bool = False) -> None:
        self._descriptor = descriptor
        self._limits = limits
        self._patient = patient
        self._buffer = bytearray()
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def full(self) -> bool:
        return len(self._buffer) >= BUFFER_BYTES

    @property
    def too_large(self) -> bool:
        return self.size > self._limits.max_bytes

    @property
    def exhausted(self) -> bool:
        """Tell whether so much came that not even a patient reader waits for the end."""
        return self.size > self._limits.max_bytes * PATIENCE

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def take(self, data: memoryview) -> None:
        """Raises TooLarge at the first byte beyond the limit; a patient one keeps nothing more."""
        self.size += len(data)
        if not self.too_large:
            self._buffer += data
        elif not self._patient:
            raise refusal("too_large", self._limits)

    def flush(self) -> None:
        """Raises Outage("scratch") when the disk takes no more."""
        self._hash.update(self._buffer)
        written = 0
        try:
            with memoryview(self._buffer) as view:
                while written < len(view):
                    written += os.write(self._descriptor, view[written:])
        except OSError as error:
            raise Outage("scratch", "the upload could not be written to disk") from error
        self._buffer.clear()


class Form:
    """A multipart body with one `file` and at most one part of each of `names`, in any order, read as it arrives."""

    def __init__(self, boundary: bytes, spool: Spool, limits: Limits, names: frozenset[str] = METADATA) -> None:
        self._spool = spool
        self._limits = limits
        self._names = names
        self._header = [bytearray(), bytearray()]
        self._headers: dict[bytes, bytes] = {}
        self._part = ""
        self._seen: set[str] = set()
        self._complete = False
        self.texts: dict[str, bytearray] = {}
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._headers.clear,
                "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
                "on_header_end": self._end_header,
                "on_headers_finished": self._begin_part,
                "on_part_data": self._take,
                "on_end": self._end,
            },
        )

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes. Raises Malformed, TooLarge."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise Malformed("the multipart body is malformed") from error

    def finish(self, *, needs_file: bool = True) -> None:
        """Raises Malformed when the body ended early, or had no file that it needs."""
        if not self._complete:
            raise Malformed("the multipart body is cut off")
        if needs_file and "file" not in self._seen:
            raise Malformed("a part named `file` is needed")

    def _end_header(self) -> None:
        name, value = self._header
        self._headers[bytes(name).lower()] = bytes(value)
        self._header = [bytearray(), bytearray()]

    def _begin_part(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if name != "file" and name not in self._names:
            known = ", ".join(f"`{each}`" for each in sorted(self._names | {"file"}))
            raise Malformed(f"only parts named {known} are known", part=name[:64])
        if name in self._seen:
            raise Malformed(f"there is more than one part named `{name}`", part=name)
        self._seen.add(name)
        self._part = name

    def _take(self, data: bytes, start: int, end: int) -> None:
        if self._part == "file":
            self._spool.take(memoryview(data)[start:end])
            return
        self.texts.setdefault(self._part, bytearray()).extend(data[start:end])
        if sum(map(len, self.texts.values())) > self._limits.max_metadata_bytes:
            raise metadata_too_large(self._limits)

    def _end(self) -> None:
        self._complete = True


def metadata_too_large(limits: Limits) -> TooLarge:
    """The refusal of metadata beyond the limit."""
    limit = limits.max_metadata_bytes
    return TooLarge(f"The metadata has more than {limit} bytes.", limit="max_metadata_bytes", value=limit)


@asynccontextmanager
async def receive_form(
    request: Request,
    folder: Path,
    limits: Limits,
    names: frozenset[str] = METADATA,
    *,
    needs_file: bool = True,
    patient: bool = False,
) -> AsyncIterator[Received]:
    """Receive a multipart body; the file is gone after the block. Raises Malformed, Stalled, TooLarge.

    A patient reader is told of a file that is too large instead, with the other parts: a form stays filled in.
    """
    with scratch_file(folder) as (descriptor, path):
        spool = Spool(descriptor, limits, patient=patient)
        form = Form(boundary_of(request), spool, limits, names)
        if not patient:
            demand_length(request, limits)
        async for chunk in chunks(request):
            form.feed(chunk)
            if spool.full:
                await run_in_threadpool(spool.flush)
            if spool.exhausted:
                break
        else:
            form.finish(needs_file=needs_file)
        await run_in_threadpool(spool.flush)
        texts = {name: bytes(text) for name, text in form.texts.items()}
        yield Received(path=path, sha256=spool.sha256, size=spool.size, texts=texts, too_large=spool.too_large)


@asynccontextmanager
async def receive_body(request: Request, folder: Path, limits: Limits) -> AsyncIterator[Received]:
    """Receive a body that is the file itself; it is gone after the block. Raises Stalled, TooLarge."""
    with scratch_file(folder) as (descriptor, path):
        spool = Spool(descriptor, limits)
        demand_length(request, limits)
        async for chunk in chunks(request):
            spool.take(memoryview(chunk))
            if spool.full:
                await run_in_threadpool(spool.flush)
        await run_in_threadpool(spool.flush)
        yield Received(path=path, sha256=spool.sha256, size=spool.size, texts={})


async def receive_json(request: Request, limits: Limits) -> bytes:
    """Receive a small JSON body. Raises TooLarge, Stalled."""
    body = bytearray()
    async for chunk in chunks(request):
        body += chunk
        if len(body) > limits.max_metadata_bytes:
            raise metadata_too_large(limits)
    return bytes(body)


def kind_of(request: Request) -> str:
    """`multipart` or `json`. Raises Unsupported for everything else."""
    content_type, _ = parse_options_header(request.headers.get("content-type"))
    if content_type == b"multipart/form-data":
        return "multipart"
    if content_type == b"application/json":
        return "json"
    raise Unsupported


def boundary_of(request: Request) -> bytes:
    """The boundary that the Content-Type names. Raises Malformed."""
    _, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= 70:
        raise Malformed("the Content-Type names no boundary of 1 to 70 characters")
    return boundary


def demand_length(request: Request, limits: Limits) -> None:
    """Refuse at once a body whose own header says that it is too large."""
    said = request.headers.get("content-length", "")
    if said.isdigit() and int(said) > limits.max_bytes + limits.max_metadata_bytes + FRAMING_BYTES:
        raise refusal("too_large", limits)


async def chunks(request: Request) -> AsyncIterator[bytes]:
    """The body as it arrives. Raises Stalled when too little comes, ClientDisconnect when the client left."""
    stream, began, received = request.stream(), time.monotonic(), 0
    while True:
        try:
            async with asyncio.timeout(STALL_SECONDS):
                chunk = await anext(stream, None)
        except TimeoutError as error:
            raise Stalled from error
        if chunk is None:
            return
        received += len(chunk)
        if time.monotonic() - began > STALL_SECONDS + received / LEAST_BYTES_A_SECOND:
            raise Stalled
        yield chunk


@contextmanager
def scratch_file(folder: Path) -> Iterator[tuple[int, Path]]:
    """A private file that is gone after the block. Locked meanwhile, so that `sweep` can tell it from litter."""
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=PREFIX)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor, Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
        os.close(descriptor)


def sweep(folder: Path) -> int:
    """Remove what uploads of dead processes left behind; returns how many files."""
    removed = 0
    for path in folder.glob(f"{PREFIX}*"):
        with suppress(OSError), path.open("rb") as file:
            if time.time() - path.stat().st_mtime < ABANDONED_SECONDS:
                continue
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
            removed += 1
    return removed
