"""Read what a file's manifest hands down to a clip made from it: the store, how it validated, how long its chain is.

Opens untrusted files with the native library: runs in the confined child, and its answer crosses as plain JSON.
"""

import json
from pathlib import Path

from watermark.attestation import at, interpret, items
from watermark.credentials import CredentialsError, Trust, report
from watermark.inheritance import TOO_LARGE, UNREADABLE, Inheritance
from watermark.jumbf import BoxesBroken, StoreTooLarge, find_store

#: Generations are counted so far; a chain in a circle never ends.
MOST_GENERATIONS = 64
#: Characters of the library's findings on one manifest that are kept with it.
MOST_VALIDATION = 512 * 1024


def inherit(path: Path, trust: Trust, *, most: int) -> Inheritance | None:
    """Read what `path` hands down; None when it holds no manifest of its own (or in a way only other formats know).

    Raises for no content of the file. Raises OSError when it cannot be opened.
    """
    try:
        store = find_store(path, most=most)
        if store is None:
            return None
        found = report(path, trust)
    except StoreTooLarge:
        return Inheritance(cut=TOO_LARGE)
    except (BoxesBroken, CredentialsError):
        return Inheritance(cut=UNREADABLE)
    reading = interpret(found)
    validation = json.dumps(at(found, "validation_results"))
    inherited = Inheritance(
        state=reading.state.value,
        manifest_id=reading.manifest_id,
        generations=_generations(found),
        validation=validation,
        store=store,
    )
    usable = reading.manifest_id is not None and len(validation) <= MOST_VALIDATION
    return inherited if usable else inherited.without_store(UNREADABLE)


def _generations(found: object) -> int:
    """The longest line of parents, this manifest included; MOST_GENERATIONS + 1 for a circle."""
    line: set[object] = {at(found, "active_manifest")}
    for generation in range(MOST_GENERATIONS + 1):
        if not line:
            return generation
        parents = (items(at(found, "manifests", name, "ingredients")) for name in line)
        line = {at(parent, "active_manifest") for each in parents for parent in each} - {None}
        line = {name for name in line if isinstance(name, str)}
    return MOST_GENERATIONS + 1
