"""Time-stamps: present when asked for, an outage when not to be had, and worth something after the leaf's end."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from watermark.authority import open_authority
from watermark.credentials import (
    CredentialsState,
    Signer,
    SignerFailed,
    SigningFailed,
    TimestampUnavailable,
    Trust,
    read,
    sign,
)
from watermark.manifest import ManifestSpec


def der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    size = len(body).to_bytes(2).lstrip(b"\0") or b"\0"
    length = size if len(body) < 128 else bytes([0x80 | len(size)]) + size
    return bytes([tag]) + length + body


def oid(dotted: str) -> bytes:
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    out = bytearray([first * 40 + second])
    for arc in rest:
        groups = [arc & 127]
        while arc := arc >> 7:
            groups.append(arc & 127 | 128)
        out += bytes(reversed(groups))
    return der(6, bytes(out))


def children(content: bytes) -> list[bytes]:
    """The elements of a DER sequence, each whole."""
    found, at = [], 0
    while at < len(content):
        head, size = 2, content[at + 1]
        if size & 128:
            head = 2 + (size & 127)
            size = int.from_bytes(content[at + 2 : at + head])
        found.append(content[at : at + head + size])
        at += head + size
    return found


def inside(element: bytes) -> bytes:
    return element[2 + (element[1] & 127 if element[1] & 128 else 0) :]


SEQ, SET, INT, OCTETS = 0x30, 0x31, 0x02, 0x04
SHA256 = der(SEQ, oid("2.16.840.1.101.3.4.2.1"))
ECDSA_SHA256 = der(SEQ, oid("1.2.840.10045.4.3.2"))


def time_stamp(query: bytes, leaf) -> bytes:
    """Answer an RFC 3161 query: a token that signs the query's digest and nonce with the time of now."""
    fields = children(inside(query))
    imprint, nonce = fields[1], next(field for field in fields[2:] if field[0] == INT)
    now = datetime.now(UTC).strftime("%Y%m%d%H%M%SZ").encode()
    info = der(SEQ, der(INT, b"\1"), oid("1.2.3.4"), imprint, der(INT, b"\7"), der(0x18, now), nonce)
    certificate = leaf.certificate.public_bytes(serialization.Encoding.DER)
    ess = der(SEQ, der(SEQ, der(SEQ, der(OCTETS, hashlib.sha256(certificate).digest()))))
    attributes = b"".join(
        sorted(
            [
                der(SEQ, oid("1.2.840.113549.1.9.3"), der(SET, oid("1.2.840.113549.1.9.16.1.4"))),
                der(SEQ, oid("1.2.840.113549.1.9.4"), der(SET, der(OCTETS, hashlib.sha256(info).digest()))),
                der(SEQ, oid("1.2.840.113549.1.9.16.2.47"), der(SET, ess)),
            ]
        )
    )
    issuer = leaf.certificate.issuer.public_bytes()
    serial = leaf.certificate.serial_number
    number = der(INT, serial.to_bytes(serial.bit_length() // 8 + 1))
    signature = der(OCTETS, leaf.sign(der(SET, attributes)))
    one = der(SEQ, der(INT, b"\1"), der(SEQ, issuer, number), SHA256, der(0xA0, attributes), ECDSA_SHA256, signature)
    content = der(SEQ, oid("1.2.840.113549.1.9.16.1.4"), der(0xA0, der(OCTETS, info)))
    signed_data = der(SEQ, der(INT, b"\3"), der(SET, SHA256), content, der(0xA0, certificate), der(SET, one))
    token = der(SEQ, oid("1.2.840.113549.1.7.2"), der(0xA0, signed_data))
    return der(SEQ, der(SEQ, der(INT, b"\0")), token)


@contextmanager
def serve(answer: Callable[[bytes], tuple[int, bytes]]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, body = answer(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(status)
            self.send_header("content-type", "application/timestamp-reply")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class TimeStamps:
    url: str
    root_pem: str


@pytest.fixture
def time_stamps(issue, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TimeStamps]:
    folder = tmp_path_factory.mktemp("tsa")
    root = open_authority(folder, now=datetime.now(UTC))
    leaf = issue(folder, datetime.now(UTC) + timedelta(days=1), [ExtendedKeyUsageOID.TIME_STAMPING], critical=True)
    with serve(lambda query: (200, time_stamp(query, leaf))) as url:
        yield TimeStamps(url=url, root_pem=root.root_pem)


def test_an_expired_leaf_does_not_sign(clip: Path, spec: ManifestSpec, issue, tmp_path: Path):
    open_authority(tmp_path / "ca", now=datetime.now(UTC) - timedelta(days=2))
    leaf = issue(tmp_path / "ca", datetime.now(UTC) - timedelta(days=1))
    with pytest.raises(SigningFailed, match="not valid at time of signing"):
        sign(clip, tmp_path / "out.mp4", spec, Signer(sign=leaf.sign, chain_pem=leaf.pem()))


def test_a_time_stamp_is_present_and_believed_by_its_own_root(clip, spec, signer, trust, time_stamps, tmp_path):
    report = sign(clip, tmp_path / "out.mp4", spec, replace(signer, timestamp_url=time_stamps.url))
    assert report.timestamp is not None
    stated = datetime.fromisoformat(report.timestamp)
    assert abs(stated - datetime.now(UTC)) < timedelta(seconds=30)
    believed = read(tmp_path / "out.mp4", replace(trust, timestamps_pem=time_stamps.root_pem))
    assert (believed.ours, believed.timestamp, believed.timestamp_trusted) == (True, report.timestamp, True)
    doubted = read(tmp_path / "out.mp4", trust)
    assert (doubted.ours, doubted.timestamp_trusted) == (True, False)
    assert "timeStamp.untrusted" in doubted.notes


def test_a_time_stamp_outlives_the_leaf(clip: Path, spec: ManifestSpec, issue, time_stamps, tmp_path: Path):
    ca = open_authority(tmp_path / "ca", now=datetime.now(UTC))
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    leaf = issue(tmp_path / "ca", end)
    brief = Signer(sign=leaf.sign, chain_pem=leaf.pem())
    sign(clip, tmp_path / "plain.mp4", spec, brief)
    sign(clip, tmp_path / "stamped.mp4", spec, replace(brief, timestamp_url=time_stamps.url))
    trust = Trust(own_pem=ca.root_pem, timestamps_pem=time_stamps.root_pem)
    assert read(tmp_path / "plain.mp4", trust).ours
    # The last second still counts.
    time.sleep((end + timedelta(seconds=1.1) - datetime.now(UTC)).total_seconds())
    plain, stamped = read(tmp_path / "plain.mp4", trust), read(tmp_path / "stamped.mp4", trust)
    assert (plain.state, plain.ours, plain.intact) == (CredentialsState.INVALID, False, True)
    assert "signingCredential.expired" in plain.failures
    assert (stamped.state, stamped.ours) == (CredentialsState.TRUSTED, True)


ANSWERS = [(500, b"down"), (200, b""), (200, b"garbage"), (200, bytes.fromhex("30053003020102"))]


@pytest.mark.parametrize("answer", ANSWERS, ids=["error", "empty", "garbage", "rejection"])
def test_a_bad_answer_is_an_outage_and_leaves_nothing(answer, clip, spec, signer: Signer, tmp_path: Path):
    with serve(lambda _: answer) as url, pytest.raises(TimestampUnavailable, match="127"):
        sign(clip, tmp_path / "out.mp4", spec, replace(signer, timestamp_url=url))
    assert list(tmp_path.iterdir()) == []


def test_an_unreachable_time_stamp_authority_holds_the_clip(clip: Path, spec: ManifestSpec, signer: Signer, tmp_path):
    with serve(lambda _: (200, b"")) as url:
        pass
    with pytest.raises(TimestampUnavailable):
        sign(clip, tmp_path / "out.mp4", spec, replace(signer, timestamp_url=url))
    assert list(tmp_path.iterdir()) == []


def test_a_signer_s_failure_is_not_blamed_on_the_time_stamp(clip, spec, signer: Signer, time_stamps, tmp_path: Path):
    away = replace(signer, sign=lambda _: b"", timestamp_url=time_stamps.url)
    with pytest.raises(SignerFailed):
        sign(clip, tmp_path / "out.mp4", spec, away)
