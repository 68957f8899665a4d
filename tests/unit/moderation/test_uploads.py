"""Multipart bodies cut anywhere: the same parts come out, limits hold at the byte, and dead uploads are swept."""

import asyncio
import hashlib
import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi import Request

from moderation.api import uploads
from moderation.api.uploads import ABANDONED_SECONDS, Form, Malformed, Spool, Stalled, receive_form, scratch_file, sweep
from moderation.errors import TooLarge
from moderation.settings import Limits

CONTENT = bytes(range(256)) * 40 + b"\r\n--b\r\n-" + b"\r\n--"
FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + CONTENT + b"\r\n"
METADATA = b'--b\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{"title":"a"}\r\n'


def boundary_free(content: bytes) -> bytes:
    """The same without the boundary itself, which no part may hold."""
    return content.replace(b"\r\n--b\r\n", b"\r\n--a\r\n")


def read(body: bytes, folder: Path, step: int, **limits: int) -> tuple[bytes, bytes, str]:
    with scratch_file(folder) as (descriptor, path):
        spool = Spool(descriptor, Limits(**limits))
        form = Form(b"b", spool, Limits(**limits))
        for at in range(0, len(body), step):
            form.feed(body[at : at + step])
            if spool.full:
                spool.flush()
        form.finish()
        spool.flush()
        return path.read_bytes(), bytes(form.texts.get("metadata", b"")), spool.sha256


@pytest.mark.parametrize("step", [1, 2, 7, 64, 100_000])
@pytest.mark.parametrize("parts", [FILE + METADATA, METADATA + FILE])
def test_parts_come_out_whole_wherever_the_body_is_cut(tmp_path, parts, step):
    content = boundary_free(CONTENT)
    body = parts.replace(CONTENT, content) + b"--b--\r\n"
    assert read(body, tmp_path, step) == (content, b'{"title":"a"}', hashlib.sha256(content).hexdigest())
    assert list(tmp_path.iterdir()) == []


def test_the_limit_holds_at_the_byte(tmp_path):
    small = b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + b"x" * 1000 + b"\r\n--b--"
    assert len(read(small, tmp_path, 64, max_bytes=1000)[0]) == 1000
    with pytest.raises(TooLarge) as refused:
        read(small, tmp_path, 64, max_bytes=999)
    assert refused.value.params == {"limit": "max_bytes", "value": 999}
    with pytest.raises(TooLarge):
        read(METADATA + small, tmp_path, 64, max_metadata_bytes=12)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--x--",
        FILE,
        FILE.replace(CONTENT, b"x"),
        METADATA + b"--b--",
        METADATA + METADATA + b"--b--",
        b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--",
        b'--b\r\nContent-Disposition: form-data; name="film"\r\n\r\nx\r\n--b--',
        b"--b\r\n" + b"a" * 100_000,
    ],
)
def test_malformed_bodies_are_refused(tmp_path, body):
    with pytest.raises(Malformed):
        read(body, tmp_path, 1000)
    assert list(tmp_path.iterdir()) == []


def test_only_litter_of_the_dead_is_swept(tmp_path):
    litter, young = tmp_path / "upload-dead", tmp_path / "upload-young"
    litter.touch()
    young.touch()
    with scratch_file(tmp_path) as (_, living):
        old = time.time() - 2 * ABANDONED_SECONDS
        for path in (litter, living):
            os.utime(path, (old, old))
        assert sweep(tmp_path) == 1
        assert sorted(tmp_path.iterdir()) == sorted([living, young])


def sent(body: bytes, step: int) -> Request:
    """A request whose body comes in pieces."""
    pieces = [body[at : at + step] for at in range(0, len(body), step)]
    messages = iter({"type": "http.request", "body": piece, "more_body": True} for piece in pieces)

    async def receive() -> dict[str, object]:
        return next(messages, {"type": "http.request", "body": b"", "more_body": False})

    kind = (b"content-type", b"multipart/form-data; boundary=b")
    length = (b"content-length", str(len(body)).encode())
    return Request({"type": "http", "method": "POST", "path": "/", "headers": [kind, length]}, receive)


def received(request: Request, folder: Path, **asked: object) -> tuple[bytes, bytes, bool]:
    """The file, the metadata, and whether the file was too large."""

    async def whole() -> tuple[bytes, bytes, bool]:
        async with receive_form(request, folder, Limits(max_bytes=1000), **asked) as made:
            return made.path.read_bytes(), made.metadata, made.too_large

    return asyncio.run(whole())


def test_a_patient_reader_keeps_the_other_parts_of_a_form_whose_file_is_too_large(tmp_path):
    head = b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n'

    def body(size: int) -> bytes:
        return head + b"x" * size + b"\r\n" + METADATA + b"--b--"

    assert received(sent(body(1000), 100), tmp_path, patient=True) == (b"x" * 1000, b'{"title":"a"}', False)
    kept, metadata, too_large = received(sent(body(1900), 100), tmp_path, patient=True)
    assert (len(kept) <= 1000, metadata, too_large) == (True, b'{"title":"a"}', True)
    # Nobody waits for the end of a file that has none.
    kept, metadata, too_large = received(sent(body(100_000), 100), tmp_path, patient=True)
    assert (len(kept) <= 1000, metadata, too_large) == (True, b"", True)
    with pytest.raises(TooLarge):
        received(sent(body(1900), 100), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("seconds", "stalls"), [(0.0, False), (1.0, True)])
def test_a_body_that_trickles_is_not_waited_for(tmp_path, monkeypatch, seconds, stalls):
    moments = iter(range(10_000))
    clock = SimpleNamespace(monotonic=lambda: next(moments) * seconds, time=time.time)
    monkeypatch.setattr(uploads, "time", clock)
    body = FILE.replace(CONTENT, b"x") + METADATA + b"--b--"
    if stalls:
        with pytest.raises(Stalled):
            received(sent(body, 1), tmp_path)
        assert Stalled.status == 408
    else:
        assert received(sent(body, 1), tmp_path) == (b"x", b'{"title":"a"}', False)
    assert list(tmp_path.iterdir()) == []
