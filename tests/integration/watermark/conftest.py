"""Clips, an authority and signers for the tests of the marks."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from watermark.authority import SIGNING_PURPOSES, Authority, open_authority
from watermark.credentials import Signer, Trust, sign
from watermark.frames import Planes
from watermark.manifest import ManifestSpec

WIDTH, HEIGHT, FPS, FRAMES = 1280, 720, 25, 40


def write_clip(path: Path, seed: int = 0, frames: int = 20) -> Path:
    noise = np.random.default_rng(seed)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for _ in range(frames):
            pixels = noise.integers(0, 255, (96, 160, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def draw_scene(seed: int) -> list[Planes]:
    """A camera over a textured picture, as planes that can be marked."""
    noise = np.random.default_rng(seed)
    picture = np.full((800, 1600), 120, np.float32)
    for level, size in enumerate((4, 8, 20, 60), start=1):
        small = noise.normal(0, 1, (size, size * 2)).astype(np.float32)
        picture += cv2.resize(small, (1600, 800), interpolation=cv2.INTER_CUBIC) * 60 / level
    grey = np.clip(picture, 16, 235).astype(np.uint8)
    chroma = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
    return [
        Planes(
            index=at,
            time_ms=at * 1000 // FPS,
            y=grey[at : at + HEIGHT, 4 * at : 4 * at + WIDTH].copy(),
            u=chroma.copy(),
            v=chroma.copy(),
        )
        for at in range(FRAMES)
    ]


def encode_planes(frames: list[Planes], path: Path, crf: int = 21) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": str(crf)})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for planes in frames:
            packed = np.concatenate([planes.y.ravel(), planes.u.ravel(), planes.v.ravel()])
            frame = av.VideoFrame.from_ndarray(packed.reshape(HEIGHT * 3 // 2, WIDTH), format="yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def scene() -> Callable[[int], list[Planes]]:
    """Draw 1.6 s of a moving picture, 1280 x 720 at 25 frames a second: `scene(seed)`."""
    return draw_scene


@pytest.fixture(scope="session")
def encode() -> Callable[..., Path]:
    """Write planes as H.264: `encode(frames, path, crf=21)`."""
    return encode_planes


@pytest.fixture(scope="session")
def new_clip() -> Callable[..., Path]:
    """Write a short clip of noise: `new_clip(path, seed=0)`."""
    return write_clip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return open_authority(tmp_path_factory.mktemp("ca"), now=datetime.now(UTC))


@pytest.fixture
def signer(authority: Authority) -> Signer:
    return Signer(sign=authority.sign, chain_pem=authority.chain_pem)


@pytest.fixture
def trust(authority: Authority) -> Trust:
    return Trust(own_pem=authority.root_pem)


@pytest.fixture(scope="module")
def spec() -> ManifestSpec:
    return ManifestSpec(
        clip_id="clip_0193b0",
        mark_id=0x0123456789AB,
        soft_binding="org.countersign.tss.1",
        provider="Example Platform",
        system="Example Video",
        system_version="7",
        version="1.2.3",
        created_at=datetime(2026, 11, 21, 12, 30, tzinfo=UTC),
    )


@pytest.fixture
def signed(clip: Path, spec: ManifestSpec, signer: Signer, tmp_path: Path) -> Path:
    sign(clip, tmp_path / "signed.mp4", spec, signer)
    return tmp_path / "signed.mp4"


@dataclass
class Leaf:
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def sign(self, data: bytes) -> bytes:
        return self.key.sign(data, ec.ECDSA(hashes.SHA256()))

    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()


def issue_leaf(folder: Path, end: datetime, purposes=SIGNING_PURPOSES, *, critical: bool = False) -> Leaf:
    """A leaf of the root in `folder`, which ends when it is told to."""
    root_file = (folder / "root.pem").read_bytes()
    root_key = serialization.load_pem_private_key(root_file, None)
    assert isinstance(root_key, ec.EllipticCurvePrivateKey)
    root = x509.load_pem_x509_certificate(root_file)
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = x509.load_pem_x509_certificate((folder / "leaf.pem").read_bytes())
    builder = (
        x509.CertificateBuilder()
        .subject_name(leaf.subject)
        .issuer_name(root.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(root.not_valid_before_utc)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=critical)
    )
    for kind in (x509.BasicConstraints, x509.KeyUsage, x509.AuthorityKeyIdentifier):
        kept = leaf.extensions.get_extension_for_class(kind)
        builder = builder.add_extension(kept.value, critical=kept.critical)
    return Leaf(key, builder.sign(root_key, hashes.SHA256()))


@pytest.fixture(scope="session")
def issue() -> Callable[..., Leaf]:
    """Make a leaf of the authority in a folder: `issue(folder, end, purposes, critical=...)`."""
    return issue_leaf
