"""What signing and reading a C2PA manifest costs, by the size of the file, the length of its chain, and who signs.

Wall and CPU milliseconds, median and worst. The files are an encoded scene with its last box padded to the size.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from results import circumstances, print_table, save, tell

from moderation.samples.drawing import draw_clip
from watermark.ancestry import inherit
from watermark.authority import export_authority
from watermark.credentials import Signer, Trust, read, sign
from watermark.manifest import ManifestSpec, Parent
from watermark.signers import CommandKey, FileKey, signer_with

MEGABYTES: Final = (2, 20, 60)
RUNS: Final = 15
GENERATIONS: Final = 8
TARGETS: Final = {"sign, 2 MB": 30.0, "read, 2 MB": 10.0}
#: A key service in the fewest words: digest in, signature out.
SERVICE: Final = (
    "import sys\n"
    "from cryptography.hazmat.primitives import hashes, serialization\n"
    "from cryptography.hazmat.primitives.asymmetric import ec, utils\n"
    "key = serialization.load_pem_private_key(open(sys.argv[1], 'rb').read(), None)\n"
    "sha = ec.ECDSA(utils.Prehashed(hashes.SHA256()))\n"
    "sys.stdout.buffer.write(key.sign(sys.stdin.buffer.read(), sha))\n"
)


def main() -> None:
    """Measure every case, print a table, write results/credentials.json."""
    began = circumstances()
    with tempfile.TemporaryDirectory() as name:
        figures = measured(Path(name))
    lines: list[list[object]] = [["case", "wall ms", "worst", "CPU ms", "target"]]
    for case, found in figures.items():
        lines.append([case, found["wall_ms"], found["wall_worst_ms"], found["cpu_ms"], TARGETS.get(case, "")])
    print_table("C2PA", lines)
    tell(str(save("credentials", began, figures)))


def measured(folder: Path) -> dict[str, dict[str, float]]:
    """Every case by name."""
    made = export_authority(folder / "authority", now=datetime.now(UTC))
    (folder / "key.pem").write_text(made.key_pem)
    signer = signer_with(FileKey.read(folder / "key.pem"), made.chain_pem)
    trust, spec = Trust(own_pem=made.root_pem), manifest()
    draw_clip(folder / "scene.mp4", seconds=4, width=640, height=360)
    found = {}
    for size in MEGABYTES:
        clip, signed = padded(folder, size), folder / f"signed-{size}.mp4"
        found[f"sign, {size} MB"] = timed(lambda c=clip, s=signed: sign(c, s, spec, signer))  # type: ignore[misc]
        found[f"read, {size} MB"] = timed(lambda s=signed: demand(read(s, trust).ours))  # type: ignore[misc]
    clip = folder / "clip-2.mp4"
    program = CommandKey(arguments=[sys.executable, "-c", SERVICE, str(folder / "key.pem")])
    by_program = signer_with(program, made.chain_pem)
    found["sign by another process, 2 MB"] = timed(lambda: sign(clip, folder / "by.mp4", spec, by_program))
    remix = replace(spec, parents=(chain(folder, clip, spec, signer, trust),))
    found[f"sign over {GENERATIONS} generations, 2 MB"] = timed(lambda: sign(clip, folder / "r.mp4", remix, signer))
    found[f"read {GENERATIONS} generations, 2 MB"] = timed(lambda: demand(read(folder / "r.mp4", trust).ours))
    most = 1 << 20
    found[f"inherit {GENERATIONS} generations"] = timed(lambda: inherit(folder / "r.mp4", trust, most=most))
    return found


def manifest() -> ManifestSpec:
    """What a released clip's manifest says."""
    return ManifestSpec(
        clip_id="clip_0193b0c2a6f17d0e8f4a6a1a2b3c4d5e",
        mark_id=0x0123456789AB,
        soft_binding="org.countersign.tss.1",
        provider="Countersign",
        system="Countersign Gate",
        version="1",
        created_at=datetime.now(UTC),
    )


def padded(folder: Path, megabytes: int) -> Path:
    """The scene as a file of a size: its picture data is followed by another box of it."""
    content = (folder / "scene.mp4").read_bytes()
    room = megabytes * 1_000_000 - len(content)
    path = folder / f"clip-{megabytes}.mp4"
    path.write_bytes(content + room.to_bytes(4) + b"mdat" + bytes(room - 8))
    return path


def chain(folder: Path, clip: Path, spec: ManifestSpec, signer: Signer, trust: Trust) -> Parent:
    """A parent that stands at the end of a chain of remixes."""
    parents: tuple[Parent, ...] = ()
    for generation in range(1, GENERATIONS):
        path = folder / f"generation-{generation}.mp4"
        sign(clip, path, replace(spec, clip_id=f"clip_{generation}", parents=parents), signer)
        parents = (Parent(title=f"clip_{generation}", inherited=inherit(path, trust, most=1 << 20)),)
    return parents[0]


def timed(act: Callable[[], object]) -> dict[str, float]:
    """Median and worst of some runs, after one to warm up."""
    act()
    walls, cpus = [], []
    for _ in range(RUNS):
        wall, cpu = time.perf_counter(), time.process_time()
        act()
        walls.append((time.perf_counter() - wall) * 1000)
        cpus.append((time.process_time() - cpu) * 1000)
    return {
        "wall_ms": round(statistics.median(walls), 1),
        "wall_worst_ms": round(max(walls), 1),
        "cpu_ms": round(statistics.median(cpus), 1),
    }


def demand(held: bool) -> None:  # noqa: FBT001 - reads as prose
    """Measure no reading that failed."""
    if not held:
        sys.exit("a signed file was not ours")


if __name__ == "__main__":
    main()
