"""What marking costs a clip: bytes, VMAF, and how much fine detail there is to hide a mark in.

VMAF comes from a program that the caller names, or is not measured.
"""

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from moderation.attacks.applying import frames_of
from watermark.planes import plane_view

#: A caller's clip with at least so much detail counts as one of natural texture.
TEXTURED: Final = 0.8
#: Detail is what a blur of so many pixels takes away, in blocks of so many; looked at in so few frames.
_BLUR, _BLOCK, _EVERY = 2.0, 16, 25
_TIMEOUT_SECONDS: Final = 1800


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """One clip as it came, encoded without a mark, and encoded with it at the same settings."""

    source: Path
    bare: Path
    marked: Path


def weigh(versions: Versions, ffmpeg: Path | None) -> dict[str, Any]:
    """Return bytes and VMAF of both encodes; VMAF is None where no `ffmpeg` with libvmaf was named.

    Raises CalledProcessError when that program cannot do it.
    """
    measured = {"bytes_bare": versions.bare.stat().st_size, "bytes_marked": versions.marked.stat().st_size}
    if ffmpeg is None:
        return {**measured, "vmaf_bare": None, "vmaf_marked": None}
    return {
        **measured,
        "vmaf_bare": _vmaf(ffmpeg, versions.bare, versions.source),
        "vmaf_marked": _vmaf(ffmpeg, versions.marked, versions.source),
    }


def detail(source: Path) -> float:
    """Return how fine a clip's texture is, in grey levels: the deviation of luma from its own blur, in half of it."""
    found = []
    for number, frame in enumerate(frames_of(source)):
        if number % _EVERY == 0:
            luma = plane_view(frame, 0).astype(np.float32)
            down, across = (side // _BLOCK * _BLOCK for side in luma.shape)
            fine = (luma - cv2.GaussianBlur(luma, (0, 0), _BLUR))[:down, :across]
            blocks = fine.reshape(down // _BLOCK, _BLOCK, across // _BLOCK, _BLOCK)
            found.append(float(np.median(blocks.std((1, 3)))))
    return round(float(np.mean(found)), 2)


def _vmaf(ffmpeg: Path, shown: Path, source: Path) -> float:
    """Return the mean VMAF (Netflix, its default model) of one clip against another of the same frames."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "vmaf.json"
        graph = f"libvmaf=log_fmt=json:log_path={log}:n_threads=1"
        command = [str(ffmpeg), "-nostdin", "-loglevel", "error", "-i", str(shown), "-i", str(source)]
        command += ["-lavfi", graph, "-f", "null", "-"]
        subprocess.run(command, check=True, capture_output=True, timeout=_TIMEOUT_SECONDS)
        return round(float(json.loads(log.read_text())["pooled_metrics"]["vmaf"]["mean"]), 2)
