"""Believes a mark only where the content is that of the clip it names. Opens no file and knows no registry."""

from dataclasses import replace

from pydantic import JsonValue

from watermark.fingerprint import ContentMatch, Fingerprint, Verdict, same_content
from watermark.reading import Layer, LayerState, MarksReading
from watermark.resemblance import same_part
from watermark.sketches import Sketches

#: A copy that shows the clip for so much of its time shows nothing else.
WHOLE = 0.9
_STATES = {
    Verdict.SAME: LayerState.FOUND,
    Verdict.DIFFERENT: LayerState.NOT_FOUND,
    Verdict.INCOMPARABLE: LayerState.NOT_CHECKED,
}


def settle(reading: MarksReading, stored: Fingerprint, sketches: Sketches | None = None) -> MarksReading:
    """Compare a file's content with the clip that its mark or its manifest names, and say what that makes of both.

    Other content under a mark is a transplanted mark. Where nothing can be compared the mark stays a claim and the
    fingerprint `not_checked`.
    """
    match = compare(reading, stored, sketches)
    if match is None:
        return reading
    details: dict[str, JsonValue] = {
        "share": match.share,
        "frames": match.frames,
        "offset_ms": match.offset_ms,
        "mirrored": match.mirrored,
    }
    if match.agreed:
        details["extent"] = "whole" if match.share >= WHOLE else "part"
    layers = reading.layers | {"fingerprint": Layer(state=_STATES[match.verdict], details=details)}
    mark = reading.layers["invisible"]
    if match.verdict is Verdict.DIFFERENT and mark.state is LayerState.FOUND:
        layers["invisible"] = replace(mark, state=LayerState.TRANSPLANTED)
    return replace(reading, layers=layers)


def compare(reading: MarksReading, stored: Fingerprint, sketches: Sketches | None = None) -> ContentMatch | None:
    """Compare whole frames by their hashes and, where the mark tells how a copy lies, its part by its sketches.

    Hashes follow no crop, so that against sketches only their agreement counts. None of nothing to compare.
    """
    whole = same_content(Fingerprint.from_bytes(reading.fingerprint), stored) if reading.fingerprint else None
    part = None
    if reading.sketches is not None and sketches is not None:
        part = same_part(Sketches.from_bytes(reading.sketches), sketches)
    if part is None or (whole is not None and whole.agreed and not part.agreed):
        return whole
    return part
