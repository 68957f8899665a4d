"""The door: what a file is, or why it is refused (contract, section 5). Opens no file itself; the sandbox does."""

from pathlib import Path

from moderation.errors import ClipFault
from moderation.sandbox import Sandbox
from moderation.sandbox.refusals import refusal
from moderation.sandbox.wire import plain
from watermark.probing import Probe

__all__ = ["Probe", "describe", "examine"]


def examine(sandbox: Sandbox, path: Path) -> Probe:
    """Describe the video at `path`.

    Raises a refusal, an error of its own per code (`RefusedAtTheDoor` 415, `TooLarge` 413), whose `params` name the
    limit it met; a file that breaks or stalls its decoder is one. Raises Outage when there is no decoder.
    """
    try:
        return sandbox.probe(path)
    except ClipFault as fault:
        raise refusal("decode_failed", sandbox.limits) from fault


def describe(probe: Probe) -> dict[str, object]:
    """Write a probe as plain JSON data, to be stored with its clip."""
    described: dict[str, object] = plain(probe)
    return described
