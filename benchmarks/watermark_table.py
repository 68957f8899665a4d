"""How well the invisible mark survives ordinary changes, how visible it is, and what reading it costs.

Three drawn clips and one of a photograph, five seconds each: few clips, and none made by a generator of video.
"""

import secrets
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, median
from typing import Final

import numpy as np
import results
import scenes
from attacks import ATTACKS, Attack, attack
from meters import own_seconds
from transcoding import transcode

from moderation.settings import Settings
from watermark.authority import open_authority
from watermark.credentials import Signer, Trust, sign
from watermark.frames import FrameMarker, Planes
from watermark.invisible import InvisibleMarker, read
from watermark.limits import VideoLimits
from watermark.manifest import ManifestSpec
from watermark.payload import Payload
from watermark.probing import Probe
from watermark.reader import luma
from watermark.reading import LONG_SIDE, read_marks
from watermark.rewriting import rewrite
from watermark.visible import VisibleMarker, VisibleSpec
from watermark.writing import Encoding

SECONDS: Final = 5
VERIFICATIONS: Final = 3
LIMITS: Final = VideoLimits()
#: Recovered, some other payload read, sure that a mark is there, nothing.
RECOVERED, WRONG, DAMAGED, LOST = "recovered", "wrong", "damaged", "lost"


class WatchedMarker:
    """The invisible marker, and how far it moves luma: PSNR of the frames before they are encoded."""

    def __init__(self, marker: InvisibleMarker) -> None:
        self._marker = marker
        self._squares: list[float] = []

    def mark(self, planes: Planes) -> None:
        before = planes.y.astype(np.int16)
        self._marker.mark(planes)
        self._squares.append(float(np.square(planes.y - before).mean()))

    @property
    def psnr(self) -> float:
        """Decibels over the whole clip: of the mean squared error."""
        return round(float(10 * np.log10(255**2 / fmean(self._squares))), 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """One deployment's key and one clip's payload."""

    key: bytes
    payload: Payload

    @classmethod
    def draw(cls) -> "Secret":
        return cls(key=secrets.token_bytes(32), payload=Payload(mark_id=secrets.randbits(48), key_version=1))

    def read(self, path: Path) -> tuple[str, Payload | None]:
        """Read a copy blind, as verification does."""
        reading = read(luma(path, limits=LIMITS, long_side=LONG_SIDE), {1: self.key})
        return reading.state, reading.payload

    def judge(self, path: Path) -> str:
        """What became of this clip's mark in a copy."""
        state, payload = self.read(path)
        if payload is not None:
            return RECOVERED if payload == self.payload else WRONG
        return DAMAGED if state == "damaged" else LOST


def mark(source: Path, target: Path, secret: Secret, encoding: Encoding) -> float:
    """Put both marks on, as the service does; returns the invisible mark's PSNR-Y."""
    watched: list[WatchedMarker] = []

    def make(described: Probe) -> tuple[FrameMarker, ...]:
        size = described.plane_width, described.plane_height
        spec = VisibleSpec(
            platform="Countersign", creator="maya", locale="en", mark_id=secret.payload.mark_id, key=secret.key
        )
        watched.append(WatchedMarker(InvisibleMarker(secret.payload, secret.key, *size)))
        return VisibleMarker(spec, *size), watched[0]

    rewrite(source, target, make, encoding=encoding, limits=LIMITS)
    return watched[0].psnr


def survive(clip: Path, folder: Path, encoding: Encoding) -> dict[str, object]:
    """One clip through every attack."""
    secret, marked = Secret.draw(), folder / "marked.mp4"
    psnr = mark(clip, marked, secret, encoding)
    bare = folder / "bare.mp4"
    transcode(clip, bare, encoding)
    outcomes = {"as delivered": secret.judge(marked)}
    outcomes |= {name: secret.judge(attack(marked, folder / "copy.mp4", what)) for name, what in ATTACKS.items()}
    growth = marked.stat().st_size / bare.stat().st_size
    return {"psnr_y_db": psnr, "bytes_over_bare": round(growth, 4), "outcomes": outcomes}


def misread(clips: Mapping[str, Path], folder: Path) -> dict[str, int]:
    """Read what carries no mark, and what carries another deployment's; every state but `not_found` is false."""
    states: list[str] = []
    encoding = Encoding()
    for clip in clips.values():
        marked = folder / "marked.mp4"
        mark(clip, marked, Secret.draw(), encoding)
        copies = clip, attack(clip, folder / "copy.mp4", Attack(crf=28)), marked
        states += [Secret.draw().read(copy)[0] for copy in copies]
    return {"reads": len(states), "false_found": states.count("found"), "false_damaged": states.count("damaged")}


def cost_of_reading(cache: Path, folder: Path, encoding: Encoding) -> dict[str, float]:
    """CPU seconds to look for every mark in a ten-second clip, in this process, with the marks there and without."""
    clip, secret = scenes.two_faces(folder / "long.mp4", cache), Secret.draw()
    authority = open_authority(folder / "authority", now=datetime.now(UTC))
    marked, signed = folder / "long-marked.mp4", folder / "long-signed.mp4"
    mark(clip, marked, secret, encoding)
    spec = ManifestSpec(
        clip_id="clip_bench",
        mark_id=secret.payload.mark_id,
        soft_binding="org.countersign.tss.1",
        provider="Countersign",
        system="Countersign Gate",
        version="0",
        created_at=datetime.now(UTC),
    )
    signing: list[float] = []
    with own_seconds(signing.append):
        sign(marked, signed, spec, Signer(sign=authority.sign, chain_pem=authority.chain_pem))
    trust, keys = Trust(own_pem=authority.root_pem), {1: secret.key}
    present = list(_verifications(signed, keys, trust))
    absent = list(_verifications(clip, keys, trust))
    return {"sign": signing[0], "verify_marked": median(present), "verify_unmarked": median(absent)}


def _verifications(path: Path, keys: Mapping[int, bytes], trust: Trust) -> Iterator[float]:
    for _ in range(VERIFICATIONS):
        spent: list[float] = []
        with own_seconds(spent.append):
            read_marks(path, keys=keys, trust=trust, limits=LIMITS)
        yield spent[0]


def main() -> None:
    """Run the table, write `results/watermark_table.json`, print it."""
    began = results.circumstances()
    settings = Settings()
    marking = settings.marking
    encoding = Encoding(preset=marking.preset, crf=marking.crf, threads=marking.encoder_threads)
    found: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-marks-") as scratch:
        folder = Path(scratch)
        clips = scenes.table_clips(folder, settings.models, SECONDS)
        for name, clip in clips.items():
            results.tell(f"attacking {name}")
            found[name] = survive(clip, folder, encoding)
        results.tell("reading what carries no mark of ours")
        false_reads = misread(clips, folder)
        results.tell("timing verification")
        costs = cost_of_reading(settings.models, folder, encoding)
    figures = {"seconds": SECONDS, "clips": found, "false_reads": false_reads, "cpu_seconds": costs}
    path = results.save("watermark_table", began, figures)
    _print(found, false_reads, costs)
    print(f"\n{path}")


def _print(
    found: Mapping[str, Mapping[str, object]], false_reads: Mapping[str, int], costs: Mapping[str, float]
) -> None:
    outcomes = {name: _outcomes(clip) for name, clip in found.items()}
    lines: list[tuple[object, ...]] = [("attack", *found)]
    lines += [(name, *(of_clip[name] for of_clip in outcomes.values())) for name in ("as delivered", *ATTACKS)]
    lines += [(name, *(clip[name] for clip in found.values())) for name in ("psnr_y_db", "bytes_over_bare")]
    results.print_table(f"The invisible mark on {SECONDS} s clips", lines)
    total = [state for of_clip in outcomes.values() for state in of_clip.values()]
    print(f"  recovered {total.count(RECOVERED)} of {len(total)}, wrong {total.count(WRONG)}")
    results.print_table("Reading what carries no mark of this key", [("figure", ""), *false_reads.items()])
    results.print_table("CPU seconds on the 10 s 720p clip", [("figure", ""), *costs.items()])


def _outcomes(clip: Mapping[str, object]) -> dict[str, str]:
    outcomes = clip["outcomes"]
    assert isinstance(outcomes, dict)
    return outcomes


if __name__ == "__main__":
    main()
