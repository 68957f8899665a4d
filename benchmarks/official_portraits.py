"""Portraits of members of the United States Congress, for measuring: read where the operator put them, never kept.

Two public-domain collections. The Government Printing Office's member guide as it stood in January 2015: repository
`unitedstates/images` (CC0; its README says that the GPO's photographs are in the public domain). The members of the
117th Congress, January and March 2021: `CivilServiceUSA/us-house` and `us-senate` (MIT). Adults in public office only.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.faces import Faces

SOURCES: Final = {
    "unitedstates/images": "CC0; photographs of the Government Printing Office, 2015",
    "CivilServiceUSA/us-house": "MIT; official portraits of the 117th Congress, 2021",
    "CivilServiceUSA/us-senate": "MIT; official portraits of the 117th Congress, 2021",
}
#: The collection shows a namesake of this member.
_MISLABELLED: Final = frozenset({"mike-rogers.jpg"})
#: Two pictures of one person nearer than this are one photograph, cut out twice: the distances of such pairs end at
#: 0.20, and those of different photographs begin at 0.24.
SAME_PHOTOGRAPH: Final = 0.22


@dataclass(frozen=True, slots=True, kw_only=True)
class Photograph:
    """One portrait: whom it shows, by the member's Bioguide id, and when it was collected."""

    person: str
    year: int
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Faceset:
    """The readable faces of both collections: row i of `chips` and `vectors` shows `people[i]` in `years[i]`."""

    people: NDArray[np.str_]
    years: NDArray[np.int64]
    #: uint8 [n, 150, 150, 3], BGR, and float32 [n, 128], raw.
    chips: NDArray[np.uint8]
    vectors: NDArray[np.float32]
    unreadable: int


def find_photographs(folder: Path) -> list[Photograph]:
    """List the portraits below `folder`, which holds `images`, `us-house` and `us-senate` as checked out."""
    return [*_of_2015(folder / "images"), *_of_2021(folder / "us-house"), *_of_2021(folder / "us-senate")]


def _of_2015(folder: Path) -> Iterator[Photograph]:
    for path in sorted((folder / "congress" / "450x550").glob("*.jpg")):
        yield Photograph(person=path.stem, year=2015, path=path)


def _of_2021(folder: Path) -> Iterator[Photograph]:
    pictures = folder / folder.name / "images" / "headshots" / "512x512"
    with (folder / folder.name / "data" / f"{folder.name}.csv").open(encoding="utf-8") as table:
        for row in csv.DictReader(table):
            path = pictures / f"{row['name_slug']}.jpg"
            if path.is_file() and path.name not in _MISLABELLED:
                yield Photograph(person=row["bioguide"], year=2021, path=path)


def read_faces(faces: Faces, photographs: list[Photograph]) -> Faceset:
    """Find and embed the largest face of each portrait; one that cannot be read is counted and left out."""
    kept, chips = [], []
    for photograph in photographs:
        chip = _largest(faces, photograph.path)
        if chip is not None:
            kept.append(photograph)
            chips.append(chip)
    return Faceset(
        people=np.array([photograph.person for photograph in kept]),
        years=np.array([photograph.year for photograph in kept]),
        chips=np.stack(chips),
        vectors=np.stack([faces.embedder.vector(chip) for chip in chips]),
        unreadable=len(photographs) - len(kept),
    )


def _largest(faces: Faces, path: Path) -> NDArray[np.uint8] | None:
    picture = cast("NDArray[np.uint8]", cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR))
    found = sorted(faces.finder.find(picture), key=lambda face: -face.height)
    if not found:
        return None
    chip, quality = faces.embedder.chip(picture, found[0])
    return chip if quality > 0 else None
