"""Single pictures of strangers: their size is known before they are decoded, and nothing else is let in."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from watermark.limits import VideoLimits, VideoRefused
from watermark.stills import is_picture, read_picture

LIMITS = VideoLimits()
KINDS = (
    (".png", []),
    (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 80]),
    (".jpg", [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
    (".webp", [cv2.IMWRITE_WEBP_QUALITY, 80]),
    (".webp", [cv2.IMWRITE_WEBP_QUALITY, 101]),
)


def drawn(width: int = 96, height: int = 64) -> np.ndarray:
    ramp = np.linspace(20, 220, width, dtype=np.uint8)
    return np.repeat(np.tile(ramp, (height, 1))[:, :, None], 3, axis=2)


def encoded(kind: str = ".png", options: list[int] | None = None, picture: np.ndarray | None = None) -> bytes:
    return cv2.imencode(kind, drawn() if picture is None else picture, options or [])[1].tobytes()


def refused(path: Path, limits: VideoLimits = LIMITS) -> str:
    with pytest.raises(VideoRefused) as refusal:
        read_picture(path, limits)
    return refusal.value.code


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_a_picture_becomes_luma(tmp_path: Path, kind: str, options: list[int]):
    path = tmp_path / "x"
    path.write_bytes(encoded(kind, options))
    assert is_picture(path)
    seen = read_picture(path, LIMITS)
    assert (seen.shape, seen.dtype) == ((64, 96), np.uint8)
    assert np.abs(seen.astype(int) - drawn()[:, :, 0]).max() < 12


def test_alpha_and_sixteen_bits_are_read_as_seen(tmp_path: Path):
    path = tmp_path / "x.png"
    for picture in (np.dstack([drawn(), np.full((64, 96), 255, np.uint8)]), drawn().astype(np.uint16) * 257):
        path.write_bytes(encoded(picture=picture))
        assert np.abs(read_picture(path, LIMITS).astype(int) - drawn()[:, :, 0]).max() < 3


def test_a_picture_on_its_side_is_turned_as_it_is_displayed(tmp_path: Path):
    jpeg = encoded(".jpg")
    turned = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    path = tmp_path / "x.jpg"
    path.write_bytes(jpeg[:2] + b"\xff\xe1" + (len(turned) + 2).to_bytes(2, "big") + turned + jpeg[2:])
    assert read_picture(path, LIMITS).shape == (96, 64)


def test_a_header_that_claims_a_huge_picture_is_refused_before_it_is_decoded(tmp_path: Path, monkeypatch):
    def decode(*_: object) -> None:
        raise AssertionError("it was decoded")

    monkeypatch.setattr(cv2, "imdecode", decode)
    png, jpeg = bytearray(encoded()), bytearray(encoded(".jpg"))
    png[16:24] = (50_000).to_bytes(4, "big") * 2
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = b"\xff\xff\xff\xff"
    lossless = bytearray(encoded(".webp", [cv2.IMWRITE_WEBP_QUALITY, 101]))
    lossless[21:25] = b"\xff\xff\xff\x0f"
    for content in (png, jpeg, lossless):
        (tmp_path / "x").write_bytes(content)
        assert refused(tmp_path / "x") == "too_many_pixels"


def test_limits_are_held_to(tmp_path: Path):
    path = tmp_path / "x.png"
    path.write_bytes(encoded())
    assert refused(path, VideoLimits(max_bytes=10)) == "too_large"
    assert refused(path, VideoLimits(max_pixels=6000)) == "too_many_pixels"
    assert refused(path, VideoLimits(min_side=65)) == "too_small"


@pytest.mark.parametrize("kind", [".png", ".jpg", ".webp"])
def test_a_header_alone_is_no_picture(tmp_path: Path, kind: str):
    whole, path = encoded(kind), tmp_path / "x"
    for length in (12, 20, 30):
        path.write_bytes(whole[:length])
        assert refused(path) in {"decode_failed", "too_small", "too_many_pixels"}


def test_what_is_no_picture_is_called_none(tmp_path: Path):
    path = tmp_path / "x"
    for content in (b"", b"RIFF\0\0\0\0AVI LIST", b"\0\0\0\x18ftypisom", b"GIF89a", b"\xff\xd8"):
        path.write_bytes(content)
        assert not is_picture(path)
