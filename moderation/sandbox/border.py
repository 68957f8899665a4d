"""The sandbox as the service sees it: questions about untrusted files in, checked answers out. Decodes nothing here."""

import contextlib
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from detectors.base import SOUND_RATE, Frame, Sound
from moderation.errors import Busy, ClipFault, ModerationError, Outage
from moderation.sandbox import answers, shared
from moderation.sandbox.channel import Allowance, Broken, Overrun, Refused
from moderation.sandbox.confinement import Confinement
from moderation.sandbox.orders import MarkOrder
from moderation.sandbox.pool import Pool
from moderation.sandbox.process import DecoderChild, Launch
from moderation.sandbox.refusals import CODES, refusal
from moderation.sandbox.shared import Pixels, Placed
from moderation.sandbox.wire import answer, plain
from moderation.settings import Limits
from watermark import looking
from watermark.credentials import Trust
from watermark.fingerprint import Fingerprint
from watermark.inheritance import Inheritance
from watermark.limits import VideoLimits
from watermark.patience import Budget
from watermark.probing import Probe
from watermark.reading import Expectation, LayerState, MarksReading, Proof
from watermark.sampling import Account, SamplingRules

T = TypeVar("T")

#: A caller waits for the 202 meanwhile.
PROBE_SECONDS: Final = 60.0
#: Pixels of all stills of one call, so that even noise stays within a message.
STILLS_PIXELS: Final = 12_000_000


class Sandbox:
    """Opens untrusted files in confined child processes, one job at a time each. Thread-safe; `close` it when done.

    Every method raises ClipFault when the child failed or overran on the file (DecoderLost when it died, which may be
    the doing of something else), and Outage("decoder") when no child can be started or confined. Only `probe` and
    `read_marks`, which meet files nobody has looked at, raise a refusal (415, 413) when the file itself is the reason;
    to the others that is a ClipFault.

    What a child says is checked for shape and size, not for truth: a file that takes its child over can lie about
    itself, and about later files of the same child, but reaches neither this process nor the network nor other files.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        children: int = 1,
        warm: bool = True,
        folder: Path | None = None,
        require_confinement: bool = True,
        confine: bool = True,
        jobs: str = "moderation.sandbox.jobs",
        search_path: Sequence[Path] = (),
    ) -> None:
        """Start `children` warm, or each at its first job. `folder` holds their airlocks: best where the clips lie.

        `require_confinement=False` is for development on a kernel that refuses it; `confine`, `jobs` and `search_path`
        are for tests.
        """
        #: What a clip may be.
        self.limits = limits
        names = VideoLimits.__dataclass_fields__
        self._bounds = {"limits": limits.model_dump(include=set(names))}
        launch = Launch(
            memory_bytes=limits.decode_memory_bytes,
            file_bytes=_largest_product(limits),
            folder=folder or Path(tempfile.gettempdir()),
            require_confinement=require_confinement,
            confine=confine,
            jobs=jobs,
            search_path=tuple(search_path),
        )
        self._pool = Pool(launch, children, wait_seconds=limits.decode_seconds, warm=warm)
        #: For our own products only, started at its first job.
        self._proofs = Pool(launch, 1, wait_seconds=limits.decode_seconds, warm=False)
        self._spent = threading.local()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every child."""
        self._pool.close()
        self._proofs.close()

    def cpu_seconds_here(self) -> float:
        """CPU seconds that children have spent on what this thread asked of them, so far."""
        return float(getattr(self._spent, "seconds", 0.0))

    def confinement(self) -> Confinement:
        """What was proven in a child of this machine, for `doctor` and the log."""
        with self._pool.lend() as child:
            return child.greet()

    def probe(self, path: Path) -> Probe:
        """Describe a file nobody has looked at. Raises a refusal that names what is wrong and the limit it met."""
        read = partial(answers.probe, limits=self.limits)
        return self.ask("probe", path, self._bounds, read, seconds=PROBE_SECONDS, door=True)

    def frames(
        self, path: Path, rules: SamplingRules, long_side: int, told: Callable[[Account], None] = lambda _: None
    ) -> Iterator[list[Frame]]:
        """Choose frames of `path` by `rules`, scaled so that the longer side is at most `long_side` pixels.

        Yields batches of read-only BGR frames that lie in shared memory: valid until the next batch is asked for.
        After the last one `told` gets the account of what was not looked at.
        """
        if not 0 < long_side <= shared.largest_side():
            raise ValueError(f"long_side must be 1 to {shared.largest_side()}")
        arguments = {"rules": plain(rules), "long_side": long_side, **self._bounds}
        with self._at_work("sample", path, arguments) as (child, allowance):
            said = yield from _framed(child.batches(long_side, allowance))
            told(answers.account(said, self.limits))

    def sound(self, path: Path) -> Iterator[Sound]:
        """The sound track in pieces of at most 30 seconds, in order and without a gap; none when there is no sound."""
        return self._heard("sound", path)

    def recording(self, path: Path) -> Iterator[Sound]:
        """A recording without pictures, as somebody's voice is registered from, in pieces as of `sound`."""
        return self._heard("recording", path)

    def _heard(self, job: str, path: Path) -> Iterator[Sound]:
        most = self.limits.max_duration_ms * SOUND_RATE // 1000 + SOUND_RATE
        with self._at_work(job, path, self._bounds) as (child, allowance):
            for start_ms, samples in child.pieces(allowance):
                most -= len(samples)
                if most < 0 or abs(start_ms) > 2 * self.limits.max_duration_ms:
                    raise Broken("sound beyond the limits")
                yield Sound(start_ms=start_ms, samples=samples)

    def pictures(
        self, path: Path, *, every: int, side: int, proof: bool = False, seconds: float | None = None
    ) -> Iterator[list[Frame]]:
        """Every `every`-th frame as a square of `side` pixels, in batches as of `frames`; for additional layers.

        `proof` asks the child that has never opened an upload. It is waited for no longer than `seconds` in all.
        """
        if not (0 < side <= shared.largest_side() and every > 0):
            raise ValueError(f"no pictures of {side} pixels of every {every} frames")
        arguments = {"every": every, "side": side, **self._bounds}
        pool = self._proofs if proof else None
        with self._at_work("pictures", path, arguments, seconds=seconds, pool=pool) as (child, allowance):
            yield from _framed(child.batches(side, allowance))

    def mark(self, source: Path, target: Path, wanted: MarkOrder, residuals: Sequence[Path] = ()) -> dict[str, object]:
        """Write `source`, marked visibly and invisibly, to `target` as MP4; the `PassReport` as JSON data.

        `residuals` are the files of the layers that the order names. `target` appears whole, or is left as it was.
        """
        arguments = {"order": plain(wanted), **self._bounds}
        read = partial(answers.report, limits=self.limits)
        report: dict[str, object] = plain(self.ask("mark", source, arguments, read, target=target, beside=residuals))
        return report

    def veil(self, source: Path, target: Path) -> dict[str, object]:
        """Write what a reviewer may see first, small, blurred, grey and silent; the `PassReport` as JSON data."""
        read = partial(answers.report, limits=self.limits)
        report: dict[str, object] = plain(self.ask("veil", source, self._bounds, read, target=target))
        return report

    def stills(self, path: Path, times_ms: Sequence[int], *, long_side: int, blur: float) -> list[bytes]:
        """A JPEG of what is displayed at each time, in that order; `blur` is a share of the long side, 0 for none."""
        if len(times_ms) * long_side**2 > STILLS_PIXELS:
            raise ValueError(f"stills of more than {STILLS_PIXELS} pixels in all")
        arguments = {"times_ms": list(times_ms), "long_side": long_side, "blur": blur, **self._bounds}
        return self.ask("stills", path, arguments, partial(answers.stills, count=len(times_ms)))

    def crop(self, path: Path, time_ms: int, box: Sequence[float], *, veiled: bool) -> bytes:
        """A JPEG of what is displayed around a box (shares of the frame) at a time; veiled grey and blurred."""
        arguments = {"time_ms": time_ms, "box": list(box), "veiled": veiled, **self._bounds}
        return self.ask("crop", path, arguments, partial(answers.stills, count=1))[0]

    def survey(self, path: Path, times_ms: Sequence[int]) -> answers.Survey:
        """A clip at a glance in one pass: film strip, a still of each time, all blurred and grey; flashes, loudness."""
        read = partial(answers.survey, count=len(times_ms), limits=self.limits)
        return self.ask("survey", path, {"times_ms": list(times_ms), **self._bounds}, read)

    def cartoon(self, source: Path, target: Path) -> dict[str, object]:
        """Write the clip as a muted drawing without sound; the `PassReport` as JSON data. Costs as long as it lasts."""
        read = partial(answers.report, limits=self.limits)
        report: dict[str, object] = plain(self.ask("cartoon", source, self._bounds, read, target=target))
        return report

    def trace(self, source: Path, target: Path, text: str) -> dict[str, object]:
        """Write the clip with a short text over it, without sound; the `PassReport` as JSON data."""
        read = partial(answers.report, limits=self.limits)
        sent = {"text": text, **self._bounds}
        report: dict[str, object] = plain(self.ask("trace", source, sent, read, target=target))
        return report

    def picture(self, source: Path, *, side: int) -> NDArray[np.uint8]:
        """The luma of a single picture (PNG, JPEG, WebP), uint8 [side, side]; what cannot be read is refused."""
        sent = {"side": side, **self._bounds}
        return self.ask("picture", source, sent, partial(answers.picture, side=side), door=True)

    def colours(self, source: Path, *, long_side: int) -> NDArray[np.uint8]:
        """A single picture in colour, uint8 [height, width, 3] in BGR, no side longer; as `picture` refuses."""
        if not 0 < long_side**2 <= STILLS_PIXELS // 3:
            raise ValueError(f"no picture of {long_side} pixels")
        sent = {"long_side": long_side, **self._bounds}
        return self.ask("colours", source, sent, partial(answers.colours, long_side=long_side), door=True)

    def trace_still(self, source: Path, text: str) -> bytes:
        """A JPEG with a short text in its corner."""
        sent = {"text": text, **self._bounds}
        return self.ask("trace_still", source, sent, partial(answers.stills, count=1))[0]

    def sound_track(self, source: Path, target: Path) -> bool:
        """Write the clip's sound alone to `target` as MP4; False, and nothing written, when it has none."""
        with self._at_work("sound_track", source, self._bounds) as (child, allowance):
            made = answer(bool, child.finish(allowance))
            if made:
                child.airlock.collect(target, _largest_product(self.limits))
            return made

    def fingerprint(self, path: Path) -> Fingerprint:
        """PDQ hashes of the clip's frames, two a second."""
        return self.ask("fingerprint", path, self._bounds, answers.fingerprint)

    def read_marks(
        self,
        path: Path,
        keys: Mapping[int, bytes],
        trust: Trust,
        budget: Budget,
        keep: Callable[[looking.Frame], None] = lambda _: None,
    ) -> MarksReading:
        """Look for every mark in a file nobody knows; `keys` by key version.

        `keep` gets some frames of a film, in which `watermark.reading.check_visible` can look once the clip is known.
        Raises a refusal for what is neither a video nor a picture.
        """
        arguments = {"keys": plain(keys), "trust": plain(trust), "budget": plain(budget), **self._bounds}
        with self._at_work("read_marks", path, arguments, door=True) as (child, allowance):
            reading = answers.marks(_keeping(child.batches(looking.LONG_SIDE, allowance), keep))
        if reading.refusal is not None and _nothing_seen(reading):
            raise self._error(reading.refusal, door=True)
        return reading

    def inherit(self, path: Path, trust: Trust, *, most: int) -> Inheritance | None:
        """The manifest that a file hands down to what is made from it, of at most `most` bytes; None without one."""
        arguments = {"trust": plain(trust), "most": most, **self._bounds}
        return self.ask("inherit", path, arguments, partial(answers.inheritance, most=most))

    def prove(self, path: Path, expectation: Expectation, keys: Mapping[int, bytes], trust: Trust) -> Proof:
        """Re-open the bytes to be delivered and demand all their marks; a fault of any layer is one of the proof.

        Done by a child that has never opened an upload: a file that took its decoder over cannot vouch for itself.
        """
        sent = {"expectation": plain(expectation), "keys": plain(keys), "trust": plain(trust), **self._bounds}
        return self.ask("prove", path, sent, partial(answer, Proof), pool=self._proofs)

    def ask(
        self,
        job: str,
        source: Path,
        arguments: Mapping[str, Any],
        read: Callable[[object], T],
        *,
        seconds: float | None = None,
        target: Path | None = None,
        door: bool = False,
        pool: Pool | None = None,
        beside: Sequence[Path] = (),
    ) -> T:
        """Run one job of the table on `source` and `read` its answer, which raises Broken when it is not one.

        With `target` the job writes one file, which appears there whole once the answer has been read.
        """
        at_work = self._at_work(job, source, arguments, seconds=seconds, door=door, pool=pool, beside=beside)
        with at_work as (child, allowance):
            said = read(child.finish(allowance))
            if target is not None:
                child.airlock.collect(target, _largest_product(self.limits))
            return said

    @contextlib.contextmanager
    def _at_work(
        self,
        job: str,
        source: Path,
        arguments: Mapping[str, Any],
        *,
        seconds: float | None = None,
        door: bool = False,
        pool: Pool | None = None,
        beside: Sequence[Path] = (),
    ) -> Iterator[tuple[DecoderChild, Allowance]]:
        with self._lent(pool or self._pool, door=door) as child:
            limit = self.limits.decode_seconds
            allowance = Allowance(min(seconds or limit, limit), limit, child.cpu_seconds)
            places = {**child.airlock.open_for(source), "beside": child.airlock.lay_beside(beside)}
            try:
                child.begin(job, {**arguments, **places}, allowance)
            except (Broken, Overrun) as fault:
                raise Outage("decoder", f"the decoder went away: {fault}") from fault
            began = child.cpu_seconds()
            try:
                yield child, allowance
            except Refused as refused:
                raise self._error(refused.code, door=door) from refused
            except Broken as fault:
                child.distrust()
                raise ClipFault("processing_failed", f"the decoder's answer is unusable: {fault}") from fault
            finally:
                # Of a child that is gone nothing is known any more.
                self._spent.seconds = self.cpu_seconds_here() + max(0.0, child.cpu_seconds() - began)

    @contextlib.contextmanager
    def _lent(self, pool: Pool, *, door: bool) -> Iterator[DecoderChild]:
        """A child; that all are taken too long is for callers at the door to know, and behind it an outage."""
        with contextlib.ExitStack() as lease:
            try:
                child = lease.enter_context(pool.lend())
            except Busy as busy:
                if door:
                    raise
                raise Outage("decoder", busy.message) from busy
            yield child

    def _error(self, code: str, *, door: bool) -> ModerationError:
        if code not in CODES:
            return ClipFault("processing_failed", "the decoder refused the file for no reason it has")
        error = refusal(code, self.limits)
        return error if door else ClipFault("processing_failed", error.message)


def _framed(batches: Generator[list[tuple[Placed, Pixels]], None, object]) -> Generator[list[Frame], None, object]:
    while True:
        try:
            batch = next(batches)
        except StopIteration as end:
            return end.value
        yield [Frame(index=at.index, time_ms=at.time_ms, pixels=pixels, shot=at.shot) for at, pixels in batch]


def _keeping(
    batches: Generator[list[tuple[Placed, Pixels]], None, object], keep: Callable[[looking.Frame], None]
) -> object:
    """Hand over a copy of each frame's luma; return the job's answer. Raises Broken for more than a job keeps."""
    most = looking.MOST_KEPT
    while True:
        try:
            batch = next(batches)
        except StopIteration as end:
            return end.value
        most -= len(batch)
        if most < 0:
            raise Broken("more frames than a look keeps")
        for at, pixels in batch:
            keep((at.time_ms, pixels[:, :, 0].copy()))


def _nothing_seen(reading: MarksReading) -> bool:
    """Whether not one picture nor any manifest could be read; part of a film is worth an answer."""
    told = {LayerState.FOUND, LayerState.DAMAGED, LayerState.TRANSPLANTED}
    return reading.fingerprint is None and not any(layer.state in told for layer in reading.layers.values())


def _largest_product(limits: Limits) -> int:
    """A marked clip may be larger than its source, not without bound."""
    return 4 * limits.max_bytes
