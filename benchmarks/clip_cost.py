"""What one clip costs: CPU seconds by stage through the real pipeline, beside a bare transcode and a glued script.

Ten seconds of 1280 x 720 with two faces. CPU seconds of decoders and database are counted, downloads and the loading
of models are not. Ratios are taken within one round; every figure is the median of the rounds.
"""

import secrets
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final, TypeVar

import gluing
import results
import scenes
from meters import Cost, Meter, MeteredDetector, MeteredMarker, database_meter, own_seconds
from states import passing_state
from transcoding import transcode

from detectors.packs import load_manifest
from moderation import intake
from moderation.assembly import open_services
from moderation.checking import InlineSteps
from moderation.clips import Clip, Submission
from moderation.pipeline import Json, process_clip
from moderation.services import Services
from moderation.settings import Settings
from moderation.verdicts import read_verdict
from watermark.credentials import sign
from watermark.frames import FrameMarker
from watermark.invisible import InvisibleMarker
from watermark.limits import VideoLimits
from watermark.manifest import ManifestSpec
from watermark.payload import Payload
from watermark.probing import Probe
from watermark.rewriting import rewrite
from watermark.visible import VisibleMarker, VisibleSpec
from watermark.writing import Encoding

ROUNDS: Final = 3
ORG, PRINCIPAL = "default", "bench"
SUBMISSION: Final = Submission(creator="maya", prompt="A pan over two official portraits", title="Two portraits")

T = TypeVar("T")
Figures = dict[str, float]


class MeteredSteps:
    """Carries steps out as `check` does and writes down what each cost."""

    def __init__(self, services: Services, meter: Meter, costs: dict[str, Cost]) -> None:
        self._steps = InlineSteps(services)
        self._meter = meter
        self._costs = costs

    def run(self, step: str, *args: Json) -> Json:
        return self._count(step, lambda: self._steps.run(step, *args))

    def start(self, step: str, *args: Json) -> Callable[[], Json]:
        return self._count(step, lambda: self._steps.start(step, *args))

    def _count(self, step: str, act: Callable[[], T]) -> T:
        began = self._meter.read()
        try:
            return act()
        finally:
            self._costs[step] = self._costs.get(step, Cost()) + self._meter.read() - began


@dataclass(slots=True)
class Bench:
    """One state with loaded models, and the clip."""

    services: Services
    meter: Meter
    clip: Path
    folder: Path
    detectors: tuple[MeteredDetector, ...] = field(default=())

    def warm_up(self) -> None:
        """Load the models, start the decoders, fill the pools: one short clip through everything."""
        self.detectors = tuple(MeteredDetector(detector) for detector in self.services.detectors)
        self.services.detectors = self.detectors
        self._process(scenes.brief(self.folder / "brief.mp4"), {})
        for detector in self.detectors:
            detector.take()

    def pipeline(self) -> Figures:
        """The clip from the door to its release, by stage. Raises RuntimeError when it was not released."""
        costs: dict[str, Cost] = {}
        clip = self._process(self.clip, costs)
        verdict = read_verdict(self.services, ORG, clip.clip_id)
        faces = verdict["faces"]
        if verdict["status"] != "released" or not isinstance(faces, list) or len(faces) < len(scenes.TWO_FACES):
            raise RuntimeError(f"the clip is {verdict['status']} with faces {faces}: these are not its costs")
        figures = by_stage(costs)
        figures |= {f"detect: {detector.name}": detector.take() for detector in self.detectors}
        figures["detect: the rest"] = costs["detect"].service - sum(
            figures[f"detect: {detector.name}"] for detector in self.detectors
        )
        figures["total"] = figures.pop("total")
        return figures

    def _process(self, path: Path, costs: dict[str, Cost]) -> Clip:
        began = self.meter.read()
        clip = intake.accept_file(self.services, ORG, PRINCIPAL, path, SUBMISSION, runner="check")
        costs["door"] = self.meter.read() - began
        process_clip(MeteredSteps(self.services, self.meter, costs), ORG, clip.clip_id, clip.generation)
        return clip


def by_stage(costs: Mapping[str, Cost]) -> Figures:
    """Sort what the steps cost into stages; the database is one of its own."""
    return {
        "door": costs["door"].service + costs["door"].decoders,
        "screen": costs["screen"].service + costs["screen"].decoders,
        "detect: decode and sample": costs["detect"].decoders,
        "mark: the pass": costs["mark"].decoders,
        "mark: sign and store": costs["mark"].service,
        "judge": costs["judge"].service,
        "prove": costs["prove"].service + costs["prove"].decoders,
        "begin and release": costs["begin"].service + costs["release"].service,
        "database": sum(cost.database for cost in costs.values()),
        "total": sum(cost.total for cost in costs.values()),
    }


def marking_pass(clip: Path, target: Path, encoding: Encoding) -> Figures:
    """The same pass in this process: its whole cost, and each mark's own."""
    key, payload = secrets.token_bytes(32), Payload(mark_id=secrets.randbits(48), key_version=1)
    visible = VisibleSpec(platform="Countersign", creator="maya", locale="en", mark_id=payload.mark_id, key=key)
    markers: list[MeteredMarker] = []

    def make(described: Probe) -> tuple[FrameMarker, ...]:
        size = described.plane_width, described.plane_height
        made = MeteredMarker(VisibleMarker(visible, *size)), MeteredMarker(InvisibleMarker(payload, key, *size))
        markers.extend(made)
        return made

    figures: Figures = {}
    with own_seconds(lambda seconds: figures.update(total=seconds)):
        report = rewrite(clip, target, make, encoding=encoding, limits=VideoLimits())
    stages = {name: seconds for name, seconds in report.cpu_seconds_by_stage.items() if name != "mark"}
    figures |= {"visible": markers[0].seconds, "invisible": markers[1].seconds, **stages}
    figures["marks per frame, ms"] = (markers[0].seconds + markers[1].seconds) / report.frames * 1000
    return figures


def glued_script(services: Services, models: gluing.Models, clip: Path, folder: Path, encoding: Encoding) -> Figures:
    """What the glued script costs, by pass. Raises RuntimeError when it saw no faces."""
    figures: Figures = {}
    with own_seconds(lambda seconds: figures.update(look=seconds)):
        seen = gluing.look(clip, models, gluing.FPS)
    if not seen.faces:
        raise RuntimeError("the glued script saw no face: these are not its costs")
    marked, signed = folder / "glued.mp4", folder / "glued-signed.mp4"
    with own_seconds(lambda seconds: figures.update(transcode=seconds)):
        gluing.transcode_with_words(clip, marked, encoding)
    with own_seconds(lambda seconds: figures.update(sign=seconds)):
        sign(marked, signed, manifest_of(services), services.signer)
    return figures | {"total": sum(figures.values())}


def manifest_of(services: Services) -> ManifestSpec:
    """What a manifest of a test clip says."""
    marking = services.settings.marking
    return ManifestSpec(
        clip_id="clip_bench",
        mark_id=secrets.randbits(48),
        soft_binding=marking.soft_binding,
        provider=marking.provider,
        system=marking.system,
        version=services.version,
        created_at=datetime.now(UTC),
    )


def run_round(bench: Bench, models: gluing.Models) -> dict[str, Figures]:
    """Everything once, one after the other."""
    services, clip, folder = bench.services, bench.clip, bench.folder
    marking = services.settings.marking
    shipped = Encoding(preset=marking.preset, crf=marking.crf, threads=marking.encoder_threads)
    alone = Encoding(preset=marking.preset, crf=marking.crf, threads=1)
    pipeline = bench.pipeline()
    bare: Figures = {}
    with own_seconds(lambda seconds: bare.update(total=seconds)):
        transcode(clip, folder / "bare.mp4", shipped)
    marked = marking_pass(clip, folder / "marked.mp4", shipped)
    glued = glued_script(services, models, clip, folder, shipped)
    return {
        "pipeline": pipeline,
        "bare_transcode": bare,
        "marking_pass": marked,
        "marking_pass_one_thread": marking_pass(clip, folder / "marked.mp4", alone),
        "glued_script": glued,
        "ratios": {
            "marking pass / bare transcode": marked["total"] / bare["total"],
            "whole pipeline / glued script": pipeline["total"] / glued["total"],
            "whole pipeline / bare transcode": pipeline["total"] / bare["total"],
            "marked bytes / bare bytes": _bytes(folder / "marked.mp4") / _bytes(folder / "bare.mp4"),
        },
    }


def medians(rounds: list[dict[str, Figures]]) -> dict[str, Figures]:
    """The median of every figure over the rounds."""
    return {
        part: {name: round(median(one[part].get(name, 0.0) for one in rounds), 4) for name in rounds[0][part]}
        for part in rounds[0]
    }


def main() -> None:
    """Run the rounds, write `results/clip_cost.json`, print the tables."""
    began = results.circumstances()
    with tempfile.TemporaryDirectory(prefix="bench-clip-") as scratch, passing_state() as state:
        settings, folder = Settings(env="development", state=state), Path(scratch)
        results.tell("making the clip")
        clip = scenes.two_faces(folder / "two-faces.mp4", settings.models)
        models = gluing.Models.load(load_manifest(settings.models).folder)
        with open_services(settings) as services:
            bench = Bench(services, database_meter(state), clip, folder)
            bench.warm_up()
            rounds = []
            for number in range(ROUNDS):
                results.tell(f"round {number + 1} of {ROUNDS}")
                rounds.append(run_round(bench, models))
    figures = {"clip": _described(), "median": medians(rounds), "rounds": rounds}
    path = results.save("clip_cost", began, figures)
    _print(medians(rounds))
    print(f"\n{path}")


def _described() -> dict[str, object]:
    return {
        "seconds": scenes.SECONDS,
        "width": scenes.WIDTH,
        "height": scenes.HEIGHT,
        "fps": scenes.FPS,
        "portraits": scenes.TWO_FACES,
        "left_out": "invisible-watermark is not installed (it brings torch): no invisible mark by the glued script",
    }


def _bytes(path: Path) -> int:
    return path.stat().st_size


def _print(found: Mapping[str, Figures]) -> None:
    total = found["pipeline"]["total"]
    lines: list[tuple[object, ...]] = [("stage", "CPU s", "share")]
    lines += [(name, value, f"{value / total:.0%}") for name, value in found["pipeline"].items()]
    results.print_table(f"One 10 s 720p clip with two faces, median of {ROUNDS}", lines)
    for part in ("marking_pass_one_thread", "marking_pass", "bare_transcode", "glued_script", "ratios"):
        results.print_table(part.replace("_", " "), [("figure", ""), *found[part].items()])


if __name__ == "__main__":
    main()
