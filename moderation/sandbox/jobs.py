"""The table of jobs a decoder child serves: each a function of `watermark` on the one file of its airlock.

Runs in the child. A refusal of the file becomes Refused; all else a file provokes is for the child to report.
"""

import base64
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from moderation.sandbox.channel import Refused
from moderation.sandbox.orders import MarkOrder
from moderation.sandbox.shared import CHANNELS, PIECE_SAMPLES, FrameWriter
from moderation.sandbox.wire import order, plain
from watermark import ancestry, filmstrip, listening, looking, probing, reader, reading, sound, tracing, veiling
from watermark.cartoon import cartoon
from watermark.credentials import Trust
from watermark.fingerprint import fingerprint
from watermark.frames import FrameMarker
from watermark.implicit_label import tags
from watermark.invisible import InvisibleMarker
from watermark.limits import VideoLimits, VideoRefused
from watermark.loudness import loudness
from watermark.patience import Budget
from watermark.residuals import ResidualMarker, stored
from watermark.rewriting import rewrite
from watermark.sampling import SamplingRules, Watch
from watermark.stills import read_colours, read_picture
from watermark.veiling import stills, veil
from watermark.visible import VisibleMarker

Arguments = Mapping[str, Any]
#: A job gets its arguments and a writer of frames, and gives back plain JSON. It may raise Refused.
Job = Callable[[Arguments, FrameWriter], object]

#: Luma is shrunk to this before it is fingerprinted, as when marks are looked for: the two must agree.
_FINGERPRINT_SIDE = looking.LONG_SIDE


def _refusing(job: Job) -> Job:
    @wraps(job)
    def guarded(arguments: Arguments, writer: FrameWriter) -> object:
        try:
            return job(arguments, writer)
        except VideoRefused as refused:
            raise Refused(refused.code) from refused

    return guarded


def _source(arguments: Arguments) -> Path:
    return Path(arguments["source"])


def _limits(arguments: Arguments) -> VideoLimits:
    return order(VideoLimits, arguments["limits"])


def _probe(arguments: Arguments, _: FrameWriter) -> object:
    return plain(probing.probe(_source(arguments), _limits(arguments)))


def _sample(arguments: Arguments, writer: FrameWriter) -> object:
    watch = Watch(order(SamplingRules, arguments["rules"]))
    for frame in reader.sample(_source(arguments), watch, long_side=arguments["long_side"], limits=_limits(arguments)):
        writer.write(frame.index, frame.time_ms, frame.shot, frame.pixels)
    writer.flush()
    return plain(watch.account())


def _sound(arguments: Arguments, writer: FrameWriter) -> object:
    return _play(listening.listen(_source(arguments), limits=_limits(arguments)), writer)


def _recording(arguments: Arguments, writer: FrameWriter) -> object:
    return _play(listening.listen_to_recording(_source(arguments), limits=_limits(arguments)), writer)


def _play(heard: listening.Heard | None, writer: FrameWriter) -> object:
    for first in range(0, 0 if heard is None else len(heard.samples), PIECE_SAMPLES):
        assert heard is not None
        start_ms = heard.start_ms + first * 1000 // listening.RATE
        writer.write_sound(start_ms, heard.samples[first : first + PIECE_SAMPLES])
    return None


def _fingerprint(arguments: Arguments, _: FrameWriter) -> object:
    frames = reader.luma(_source(arguments), limits=_limits(arguments), long_side=_FINGERPRINT_SIDE)
    return base64.b64encode(fingerprint(frames).to_bytes()).decode()


def _picture(arguments: Arguments, _: FrameWriter) -> object:
    luma = read_picture(_source(arguments), _limits(arguments))
    small = cv2.resize(luma, (arguments["side"], arguments["side"]), interpolation=cv2.INTER_AREA)
    return base64.b64encode(np.ascontiguousarray(small).tobytes()).decode()


def _colours(arguments: Arguments, _: FrameWriter) -> object:
    picture, longest = read_colours(_source(arguments), _limits(arguments)), arguments["long_side"]
    height, width = picture.shape[:2]
    share = min(1.0, longest / max(height, width))
    size = max(1, round(width * share)), max(1, round(height * share))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return {"width": size[0], "height": size[1], "pixels": base64.b64encode(small.tobytes()).decode()}


def _mark(arguments: Arguments, _: FrameWriter) -> object:
    wanted = order(MarkOrder, arguments["order"])

    places = [Path(place) for place in arguments["beside"]]

    def markers(described: probing.Probe) -> tuple[FrameMarker, ...]:
        """The visible mark first, our own invisible one last: it must lie on what is finally seen."""
        width, height = described.plane_width, described.plane_height
        layers = (
            ResidualMarker(
                stored(place, side=layer.side, every=layer.every), layer.every, described.colour, width, height
            )
            for place, layer in zip(places, wanted.layers, strict=True)
        )
        return (
            VisibleMarker(wanted.visible, width, height),
            *layers,
            InvisibleMarker(wanted.payload, wanted.key, width, height),
        )

    target, limits = Path(arguments["target"]), _limits(arguments)
    done = rewrite(
        _source(arguments), target, markers, encoding=wanted.encoding, limits=limits, tags=tags(wanted.label)
    )
    return plain(done)


def _pictures(arguments: Arguments, writer: FrameWriter) -> object:
    every, side = arguments["every"], arguments["side"]
    for index, time_ms, picture in reader.pictures(
        _source(arguments), every=every, side=side, limits=_limits(arguments)
    ):
        writer.write(index, time_ms, 0, picture)
    writer.flush()
    return None


def _read_marks(arguments: Arguments, writer: FrameWriter) -> object:
    keys, trust = order(dict[int, bytes], arguments["keys"]), order(Trust, arguments["trust"])
    source, limits, budget = _source(arguments), _limits(arguments), order(Budget, arguments["budget"])
    kept: list[looking.Frame] = []
    found = reading.read_marks(source, keys=keys, trust=trust, limits=limits, budget=budget, keep=kept.append)
    for index, (time_ms, luma) in enumerate(kept):
        writer.write(index, time_ms, 0, np.broadcast_to(luma[:, :, None], (*luma.shape, CHANNELS)))
    writer.flush()
    return found.to_json()


def _inherit(arguments: Arguments, _: FrameWriter) -> object:
    trust = order(Trust, arguments["trust"])
    found = ancestry.inherit(_source(arguments), trust, most=arguments["most"])
    return None if found is None else reading.written(found)


def _prove(arguments: Arguments, _: FrameWriter) -> object:
    expectation = order(reading.Expectation, arguments["expectation"])
    keys, trust = order(dict[int, bytes], arguments["keys"]), order(Trust, arguments["trust"])
    return reading.prove(_source(arguments), expectation, keys, trust, _limits(arguments)).to_json()


def _veil(arguments: Arguments, _: FrameWriter) -> object:
    return plain(veil(_source(arguments), Path(arguments["target"]), _limits(arguments)))


def _stills(arguments: Arguments, _: FrameWriter) -> object:
    times, long_side, blur = arguments["times_ms"], arguments["long_side"], arguments["blur"]
    made = stills(_source(arguments), times, long_side=long_side, blur=blur, limits=_limits(arguments))
    return [base64.b64encode(still).decode() for still in made]


def _crop(arguments: Arguments, _: FrameWriter) -> object:
    box, veiled = arguments["box"], arguments["veiled"]
    made = veiling.crop(_source(arguments), arguments["time_ms"], box, veiled=veiled, limits=_limits(arguments))
    return [base64.b64encode(made).decode()]


def _survey(arguments: Arguments, _: FrameWriter) -> object:
    source, limits = _source(arguments), _limits(arguments)
    found = filmstrip.survey(source, arguments["times_ms"], limits)
    heard = loudness(listening.listen(source, limits=limits), probing.probe(source, limits).duration_ms)
    return {
        "strip": base64.b64encode(found.strip).decode(),
        "times_ms": list(found.times_ms),
        "stills": [base64.b64encode(still).decode() for still in found.stills],
        "flashes": found.flashes,
        "flashing_from_ms": found.flashing_from_ms,
        "loudness_db": heard,
    }


def _cartoon(arguments: Arguments, _: FrameWriter) -> object:
    return plain(cartoon(_source(arguments), Path(arguments["target"]), _limits(arguments)))


def _trace(arguments: Arguments, _: FrameWriter) -> object:
    return plain(tracing.trace(_source(arguments), Path(arguments["target"]), arguments["text"], _limits(arguments)))


def _trace_still(arguments: Arguments, _: FrameWriter) -> object:
    return [base64.b64encode(tracing.trace_still(_source(arguments), arguments["text"], _limits(arguments))).decode()]


def _sound_track(arguments: Arguments, _: FrameWriter) -> object:
    return sound.write_sound(_source(arguments), Path(arguments["target"]), _limits(arguments))


TABLE: Mapping[str, Job] = {
    "cartoon": _refusing(_cartoon),
    "colours": _refusing(_colours),
    "crop": _refusing(_crop),
    "fingerprint": _refusing(_fingerprint),
    "inherit": _refusing(_inherit),
    "mark": _refusing(_mark),
    "picture": _refusing(_picture),
    "pictures": _refusing(_pictures),
    "probe": _refusing(_probe),
    "prove": _refusing(_prove),
    "read_marks": _refusing(_read_marks),
    "recording": _refusing(_recording),
    "sample": _refusing(_sample),
    "sound": _refusing(_sound),
    "sound_track": _refusing(_sound_track),
    "stills": _refusing(_stills),
    "survey": _refusing(_survey),
    "trace": _refusing(_trace),
    "trace_still": _refusing(_trace_still),
    "veil": _refusing(_veil),
}
