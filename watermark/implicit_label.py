"""The implicit label that China asks for: what generated a clip and who spreads it, under one key of the container.

GB 45438-2025, annex E. Names services and the clip, never a person: it travels with every copy of the file.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from watermark.limits import VideoLimits
from watermark.sources import open_source

#: The key of the container's metadata under which the label stands.
KEY: Final = "AIGC"
#: `Label`: the content is generated; "2" and "3" would say possibly, and suspected.
GENERATED: Final = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImplicitLabel:
    """Who made a clip and who spreads it, each as a name or a registered code, and each one's id of the clip.

    The fields reserved for means against tampering stay empty: the C2PA manifest binds the whole container.
    """

    producer: str
    produce_id: str
    propagator: str = ""
    propagate_id: str = ""

    def text(self) -> str:
        """Write as the container holds it: the standard's seven fields, in its order."""
        fields = {
            "Label": GENERATED,
            "ContentProducer": self.producer,
            "ProduceID": self.produce_id,
            "ReservedCode1": "",
            "ContentPropagator": self.propagator,
            "PropagateID": self.propagate_id,
            "ReservedCode2": "",
        }
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def tags(label: str | None) -> Mapping[str, str]:
    """What a container's metadata holds for a label's text; nothing without one."""
    return {} if label is None else {KEY: label}


def read_label(path: Path, limits: VideoLimits) -> str | None:
    """The label's text in a file, None when it has none. Raises VideoRefused as `open_source` does."""
    with open_source(path, limits) as opened:
        found = opened.handle.metadata.get(KEY)
    return None if found is None else str(found)
