"""The door: what a file is, or why it is refused (contract, section 5). Opens no file itself; the sandbox does."""

import tempfile
from pathlib import Path
from typing import Final

from moderation.errors import ClipFault, DecoderLost, Outage, RefusedAtTheDoor, TooLarge
from moderation.sandbox import Sandbox
from moderation.sandbox.refusals import refusal
from moderation.sandbox.wire import plain
from watermark.probing import Probe

__all__ = ["Probe", "describe", "examine"]
#: How many decoders may die over a file before it is asked whose fault that is.
TRIES: Final = 2


def examine(sandbox: Sandbox, path: Path) -> Probe:
    """Describe the video at `path`.

    Raises a refusal, an error of its own per code (`RefusedAtTheDoor` 415, `TooLarge` 413), whose `params` name the
    limit it met; a file that breaks, stalls or kills its decoder is one. Raises Outage when there is no decoder, or
    when decoders die of any file.
    """
    for _ in range(TRIES):
        try:
            return sandbox.probe(path)
        except DecoderLost:
            # Killed from outside, or by the file: behind the door too such a clip is tried again.
            continue
        except ClipFault as fault:
            raise refusal("decode_failed", sandbox.limits) from fault
    _demand_decoder(sandbox)
    raise refusal("decode_failed", sandbox.limits)


def _demand_decoder(sandbox: Sandbox) -> None:
    """Describe a drawn clip, which no decoder dies of by itself. Raises Outage when one does."""
    from moderation.samples.drawing import draw_clip  # noqa: PLC0415 (hardly ever needed)

    with tempfile.TemporaryDirectory(prefix="countersign-canary-") as folder:
        drawn = Path(folder) / "drawn.mp4"
        draw_clip(drawn, seconds=1, width=320, height=180)
        try:
            sandbox.probe(drawn)
        except ClipFault as fault:
            raise Outage("decoder", "decoders die of any file; try again in a moment") from fault
        except (RefusedAtTheDoor, TooLarge):
            # Narrower limits than ours: it was read, and that is all that is asked here.
            return


def describe(probe: Probe) -> dict[str, object]:
    """Write a probe as plain JSON data, to be stored with its clip."""
    described: dict[str, object] = plain(probe)
    return described
