"""Portraits of adults in public office for samples and tests, taken on demand from published packages that carry them.

Nothing is stored in this repository, and nothing is handed out before its SHA-256 was checked.
"""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_DOWNLOAD_SECONDS: Final = 600


class PortraitUnavailable(Exception):
    """A portrait cannot be had; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """A published package as one archive: pip checks the SHA-256 before it opens anything of it."""

    requirement: str
    sha256: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    """One photograph: whom it shows, who took it, and where it lies in its carrier."""

    person: str
    credit: str
    carrier: Carrier
    member: str
    sha256: str


# The source archive, because no wheel carries the pictures: pip runs its set-up file to learn its name, but only
# after the archive's SHA-256 matched; that set-up file reads two texts and calls setuptools, nothing else.
_FACE_RECOGNITION: Final = Carrier(
    requirement="face-recognition==1.3.0",
    sha256="5e5efdd1686aa566af0d3cc1313b131e4b197657a8ffd03669e6d3fad92705ec",
    options=("--no-binary", ":all:"),
)
# One wheel whatever the machine: only a picture is taken out of it.
_SCIKIT_IMAGE: Final = Carrier(
    requirement="scikit-image==0.25.2",
    sha256="24cc986e1f4187a12aa319f777b36008764e856e5013666a4a83f8df083c2641",
    options=("--only-binary", ":all:", "--python-version", "3.11", "--platform", "manylinux2014_x86_64"),
)
# Works of United States government staff on duty carry no copyright there (17 U.S.C. 105). The White House asks, in
# the files themselves, that its photographs be neither altered nor used to suggest an endorsement: show them as they
# are, say what they are, and take NASA's for a sample that needs an altered face.
_WHITE_HOUSE: Final = "Official White House Photo by Pete Souza; a work of the United States government"

PORTRAITS: Final = {
    "obama-2012": Portrait(
        person="Barack Obama",
        credit=f"{_WHITE_HOUSE}. Portrait sitting, Oval Office, 6 December 2012",
        carrier=_FACE_RECOGNITION,
        member="face_recognition-1.3.0/tests/test_images/obama.jpg",
        sha256="0930e3aa8cae5920329c0c8cbc6a2ab70f47b0e67b432875beaa95cbf7e741f6",
    ),
    "obama-2009": Portrait(
        person="Barack Obama",
        credit=f"{_WHITE_HOUSE}. Address to Congress, 9 September 2009 (cut out)",
        carrier=_FACE_RECOGNITION,
        member="face_recognition-1.3.0/tests/test_images/obama2.jpg",
        sha256="a7efcc907375274796f39646510704aa86672d59f6d5469d69af3c85590976a6",
    ),
    "obama-2010": Portrait(
        person="Barack Obama",
        credit=f"{_WHITE_HOUSE}. Blue Room of the White House, 2010 (cut out)",
        carrier=_FACE_RECOGNITION,
        member="face_recognition-1.3.0/tests/test_images/obama3.jpg",
        sha256="76ac6bf97c36dc2da0ad16a537d6a5ac1b10f48d49aac29a0cca9a17cdbc3ca3",
    ),
    "biden-2010": Portrait(
        person="Joe Biden",
        credit=f"{_WHITE_HOUSE}. Blue Room of the White House, 2010 (cut out)",
        carrier=_FACE_RECOGNITION,
        member="face_recognition-1.3.0/tests/test_images/biden.jpg",
        sha256="3c17508bb91554c637a2eabddfae790e5bb1caba93130814fc2ac50be9760c4c",
    ),
    "collins": Portrait(
        person="Eileen Collins",
        credit="NASA, official portrait of astronaut Eileen Collins; a work of the United States government",
        carrier=_SCIKIT_IMAGE,
        member="skimage/data/astronaut.png",
        sha256="88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    ),
}


def portrait(name: str, cache: Path) -> Path:
    """Return the file of one portrait below `cache`, fetching its carrier when it is not there yet.

    Raises KeyError for an unknown name, PortraitUnavailable when it cannot be fetched or is not the pinned file.
    """
    wanted = PORTRAITS[name]
    path = _place(name, cache)
    if not _is_pinned(path, wanted):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".fetch-") as scratch:
            archive = _download(wanted.carrier, Path(scratch))
            for other, entry in PORTRAITS.items():
                if entry.carrier is wanted.carrier:
                    _keep(archive, entry, Path(scratch), _place(other, cache))
    return path


def _place(name: str, cache: Path) -> Path:
    return cache / "portraits" / f"{name}{Path(PORTRAITS[name].member).suffix}"


def _is_pinned(path: Path, wanted: Portrait) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == wanted.sha256


def _download(carrier: Carrier, scratch: Path) -> Path:
    """Let pip bring exactly the pinned archive, by hash."""
    pins = scratch / "pins.txt"
    pins.write_text(f"{carrier.requirement} --hash=sha256:{carrier.sha256}\n")
    target = scratch / "archive"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += [*carrier.options, "--require-hashes", "--requirement", str(pins), "--dest", str(target)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PortraitUnavailable(f"{carrier.requirement} could not be downloaded: {error}") from error
    archives = sorted(target.iterdir()) if target.is_dir() else []
    if done.returncode or len(archives) != 1:
        complaint = " / ".join(done.stderr.strip().splitlines()[-3:])
        raise PortraitUnavailable(
            f"{carrier.requirement} could not be downloaded; check network and index settings. {complaint}"
        )
    return archives[0]


def _keep(archive: Path, wanted: Portrait, scratch: Path, path: Path) -> None:
    """Move one picture into place, whole or not at all."""
    content = _read(archive, wanted.member)
    if hashlib.sha256(content).hexdigest() != wanted.sha256:
        raise PortraitUnavailable(f"{wanted.member} is not the pinned picture; nothing was taken")
    whole = scratch / path.name
    whole.write_bytes(content)
    whole.replace(path)


def _read(archive: Path, member: str) -> bytes:
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                return wheel.read(member)
        with tarfile.open(archive) as tarball:
            stream = tarball.extractfile(member)
            return stream.read() if stream else b""
    except (KeyError, OSError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise PortraitUnavailable(f"{archive.name} has no readable {member}: {error}") from error
