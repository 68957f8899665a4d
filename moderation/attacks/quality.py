"""What marking costs a clip: decibels, bytes, VMAF. VMAF comes from a program the caller names, or is not measured."""

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

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


def _vmaf(ffmpeg: Path, shown: Path, source: Path) -> float:
    """Return the mean VMAF (Netflix, its default model) of one clip against another of the same frames."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "vmaf.json"
        graph = f"libvmaf=log_fmt=json:log_path={log}:n_threads=1"
        command = [str(ffmpeg), "-nostdin", "-loglevel", "error", "-i", str(shown), "-i", str(source)]
        command += ["-lavfi", graph, "-f", "null", "-"]
        subprocess.run(command, check=True, capture_output=True, timeout=_TIMEOUT_SECONDS)
        return round(float(json.loads(log.read_text())["pooled_metrics"]["vmaf"]["mean"]), 2)
