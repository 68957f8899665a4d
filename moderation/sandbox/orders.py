"""What a child is told to make, beyond the file it works on. Written by the parent, trusted by the child."""

from dataclasses import dataclass, field

from watermark.payload import Payload
from watermark.visible import VisibleSpec
from watermark.writing import Encoding


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerOrder:
    """What an additional layer adds to a clip: a file of residuals (`watermark.residuals`) that lies beside it."""

    side: int
    every: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkOrder:
    """The marks to put on one clip and how to encode it. The key is in the child's memory while the job runs."""

    payload: Payload
    key: bytes = field(repr=False)
    visible: VisibleSpec
    encoding: Encoding
    #: The text of the implicit label in the container's metadata, None for none.
    label: str | None = None
    #: One for each file of residuals, in the same order.
    layers: tuple[LayerOrder, ...] = ()
