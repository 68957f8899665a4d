"""What a record says, in words: shares by part, a table of attacks, failures by name. Measures nothing."""

from collections import Counter
from collections.abc import Iterable, Sequence, Sized
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from statistics import fmean
from typing import Final

from moderation.attacks.chart import Bar, draw_chart
from moderation.attacks.record import Entry, Record

#: What marking costs, as a reader calls it.
_COSTS: Final = (
    "PSNR-Y: mean; worst clip; worst frame (aim: 46; 44; 44 dB)",
    "bytes at the same settings: mean; worst clip (aim: +12%)",
    "VMAF lost: mean; worst clip (aim: 2.5; 4)",
)
_BEGIN, _END = "<!-- attacks -->", "<!-- /attacks -->"
NOT_MEASURED: Final = "not measured"
#: Parts as a reader calls them, and the share of them that is to be recovered.
_PARTS: Final = {
    "ordinary": ("ordinary attacks, and as delivered", 1.0),
    "hard": ("hard attacks", 0.9),
    "screenshot, whole": ("screenshots, JPEG at quality 80", 0.9),
    "screenshot, half the area": ("screenshots cropped to half the area", 0.6),
    "screenshot, half of each side": ("screenshots cropped to half of each side", None),
    "wider": ("other shapes, speeds, cuts, codecs", 1.0),
    "pair": ("two attacks drawn at random", 1.0),
    "removal": ("attempts to remove the mark", None),
    "tiny": ("copies of clips below 480 lines", None),
}
#: Targets are for clips whose short side has so many lines.
_LINES: Final = 480


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How many of the trials of one name gave the clip's own id."""

    name: str
    recovered: int
    tried: int
    #: Clips in which it did not.
    failed: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, trials: Sequence[Entry]) -> "Share":
        """Count trials."""
        failed = tuple(trial["clip"] for trial in trials if trial["outcome"] != "recovered")
        return cls(name=name, recovered=len(trials) - len(failed), tried=len(trials), failed=failed)

    def __str__(self) -> str:
        return f"{self.recovered} of {self.tried}"


def as_text(record: Record) -> str:
    """Return what a run found, as lines for a terminal."""
    lines = [f"{share.name:62} {share}" for share in parts(record)]
    lines += [f"{name:62} {value}" for name, value in _figures(record)]
    for group, *costs in _qualities(record) or [("quality", *[NOT_MEASURED] * len(_COSTS))]:
        lines += [group, *(f"  {name:62} {value}" for name, value in zip(_COSTS, costs, strict=True))]
    lines += [f"  not recovered: {line}" for line in failures(record)]
    return "\n".join(lines)


def write_pages(record: Record, folder: Path, missing: int = 0) -> None:
    """Write the table into `robustness.md` between its markers, and the chart beside it; say how much is missing.

    Raises ValueError where the page has no place for the table.
    """
    page = folder / "robustness.md"
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise ValueError(f"{page} has no place for the table: {_BEGIN} and {_END}")
    page.write_text(f"{before}{_BEGIN}\n{as_markdown(record, missing)}\n{_END}{after}", encoding="utf-8")
    bars = [
        Bar(label=_PARTS[key][0], share=share.recovered / share.tried, count=str(share), target=_PARTS[key][1])
        for key, share in _by_part(record)
    ]
    chart = folder / "assets" / "robustness.svg"
    unfinished = f"; {missing} more not made" if missing else ""
    said = f"{_basis(record)}{unfinished}. A line across a bar is its target."
    chart.write_text(draw_chart("Id read from attacked copies", bars, said), encoding="utf-8")


def as_markdown(record: Record, missing: int = 0) -> str:
    """Return the tables of a page: parts, figures, every attack; `missing` trials were not run."""
    removals = [(share.name, str(share), ", ".join(share.failed), cost) for share, cost in _removals(record)]
    every = [(share.name, str(share), ", ".join(share.failed)) for share in _by_attack(record)]
    tables = [
        f"{_basis(record).capitalize()}.{_unfinished(missing)}",
        _table(("attacks", "id read", "target"), [_cells(key, share) for key, share in _by_part(record)]),
        _table(("figure", "measured"), _figures(record)),
        _table(("clips", *_COSTS), _qualities(record)),
        _table(("clip", "shows", "PSNR-Y, dB", "bytes", "VMAF without and with the mark"), _clips(record)),
        _table(("attack", "id read", "not in"), every),
    ]
    if removals:
        tables.append(_table(("attempt to remove", "id read", "not in", "PSNR-Y of the copy, mean"), removals))
    drawn = [line for line in failures(record) if ": pair " in line]
    if drawn:
        tables.append("Pairs not read: " + "; ".join(drawn) + ".")
    return "\n\n".join(tables)


def parts(record: Record) -> list[Share]:
    """Return one share for each part that has trials."""
    return [
        Share(name=_PARTS[key][0], recovered=share.recovered, tried=share.tried, failed=share.failed)
        for key, share in _by_part(record)
    ]


def failures(record: Record) -> list[str]:
    """Name every trial that did not give the clip's own id."""
    return [
        f"{trial['clip']}: {trial['attack']}{' (' + trial['what'] + ')' if trial['what'] else ''}: {trial['outcome']}"
        for trial in record.entries("trials")
        if trial["outcome"] != "recovered"
    ]


def _basis(record: Record) -> str:
    clips = {trial["clip"] for trial in record.entries("trials")}
    older = f", {record.older()} figures of an earlier state of the mark" if record.older() else ""
    drawn, own = clips - record.videos.keys(), clips & record.videos.keys()
    parts = [f"{_count(drawn, 'clip')} of {record.seconds:g} s"] if drawn or not own else []
    parts += [f"{_count(own, 'clip')} of your own"] if own else []
    return f"{' and '.join(parts)}, {_count(record.entries('trials'), 'cop', 'y', 'ies')}{older}"


def _count(what: Sized, noun: str, one: str = "", more: str = "s") -> str:
    return f"{len(what)} {noun}{one if len(what) == 1 else more}"


def _unfinished(missing: int) -> str:
    return (
        f" The run is not finished: {missing} more trials were not made, and nothing is said of them."
        if missing
        else ""
    )


def _by_part(record: Record) -> list[tuple[str, Share]]:
    tiny = {name for name, video in record.videos.items() if min(video["width"], video["height"]) < _LINES}
    kept = [("tiny" if trial["clip"] in tiny else _part_of(trial), trial) for trial in record.entries("trials")]
    shares = ((key, [trial for part, trial in kept if part == key]) for key in _PARTS)
    return [(key, Share.of(key, trials)) for key, trials in shares if trials]


def _part_of(trial: Entry) -> str:
    if trial["part"] != "screenshot":
        return str(trial["part"])
    return f"screenshot, {trial['attack'].partition(', ')[2]}"


def _cells(key: str, share: Share) -> tuple[str, str, str]:
    name, target = _PARTS[key]
    return name, str(share), "" if target is None else f"{target:.0%}"


def _by_attack(record: Record) -> list[Share]:
    """Return a share for every attack that every clip meets alike."""
    trials = [trial for trial in record.entries("trials") if trial["part"] in ("ordinary", "hard", "wider")]
    names = dict.fromkeys(trial["attack"] for trial in trials)
    return [Share.of(name, [trial for trial in trials if trial["attack"] == name]) for name in names]


def _removals(record: Record) -> list[tuple[Share, str]]:
    trials = [trial for trial in record.entries("trials") if trial["part"] == "removal"]
    found = []
    for name in dict.fromkeys(trial["attack"] for trial in trials):
        of_name = [trial for trial in trials if trial["attack"] == name]
        cost = fmean(trial["psnr_y_of_copy"] for trial in of_name)
        found.append((Share.of(name, of_name), f"{cost:.1f} dB"))
    return found


def _figures(record: Record) -> list[tuple[str, str]]:
    trials = record.entries("trials")
    wrong = sum(trial["outcome"] == "wrong" for trial in trials)
    return [
        ("another id than the clip's", f"{wrong} of {len(trials)}"),
        *_reading(trials, record.entries("clips")),
        *_strangers(record.entries("strangers"), record.entries("clips")),
    ]


def _qualities(record: Record) -> list[tuple[str, ...]]:
    """Return what marking costs: all clips together, and those with and without texture apart."""
    clips = record.entries("clips")
    textured = [clip for clip in clips if clip["textured"]]
    plain = [clip for clip in clips if not clip["textured"]]
    groups = [("all clips", clips), ("with natural texture", textured), ("without any grain", plain)]
    return [(_named(name, group, whole=group is clips), *_costs(group)) for name, group in groups if group]


def _named(name: str, group: Sequence[Entry], *, whole: bool) -> str:
    return f"{name} ({len(group)})" if whole else f"{name} ({', '.join(clip['clip'] for clip in group)})"


def _costs(clips: Sequence[Entry]) -> tuple[str, str, str]:
    psnr = [clip["psnr_y"] for clip in clips]
    growth = [clip["bytes_marked"] / clip["bytes_bare"] - 1 for clip in clips]
    lost = [clip["vmaf_bare"] - clip["vmaf_marked"] for clip in clips if clip["vmaf_bare"] is not None]
    worst_frame = min(clip["psnr_y_worst_frame"] for clip in clips)
    return (
        f"{fmean(psnr):.1f}; {min(psnr):.1f}; {worst_frame:.1f} dB",
        f"{fmean(growth):+.1%}; {max(growth):+.1%}",
        f"{fmean(lost):.1f}; {max(lost):.1f}" if lost else NOT_MEASURED,
    )


def _clips(record: Record) -> list[tuple[str, ...]]:
    """Return what marking did to each clip."""
    return [
        (
            clip["clip"],
            clip["shows"] + (f", {clip['seconds']:g} s" if clip["clip"] in record.videos else ""),
            f"{clip['psnr_y']:.1f}",
            f"{clip['bytes_marked'] / clip['bytes_bare'] - 1:+.0%}",
            NOT_MEASURED if clip["vmaf_bare"] is None else f"{clip['vmaf_bare']:.1f}, {clip['vmaf_marked']:.1f}",
        )
        for clip in record.entries("clips")
    ]


def _reading(trials: Sequence[Entry], clips: Sequence[Entry]) -> list[tuple[str, str]]:
    found = [trial for trial in trials if trial["view"] and trial["part"] != "screenshot"]
    fast = [trial["cpu_seconds"] for trial in found if trial["view"].startswith("aligned")]
    searched = [trial["cpu_seconds"] for trial in found if trial["view"].startswith("lattice")]
    nothing = [clip["unmarked_cpu_seconds"] for clip in clips]
    return [
        ("reading, CPU-s: found without search, median; 95 %", _spread(fast)),
        ("reading, CPU-s: found with search, median; 95 %", _spread(searched)),
        ("reading, CPU-s: nothing there, median; 95 %", _spread(nothing)),
    ]


def _strangers(entries: Sequence[Entry], clips: Sequence[Entry]) -> list[tuple[str, str]]:
    whole = sum(clip["unmarked_outcome"] != "lost" for clip in clips)
    of_clips = [("a mark seen in the unmarked clips themselves", f"{whole} of {len(clips)}")] if clips else []
    if not entries:
        return [*of_clips, ("a mark seen in unmarked excerpts", NOT_MEASURED)]
    keys, tried = sum(entry["keys"] for entry in entries), sum(entry["decodings_tried"] for entry in entries)
    seen = [entry for entry in entries if entry["state"] != "not_found"]
    longer = sum(entry["keys"] for entry in entries if entry["seconds"] > 1)
    counted = f"{len(seen)} of {keys} (excerpt, key) from {len(entries)} excerpts, {longer} of them over 1 s"
    return [
        *of_clips,
        ("a mark seen in unmarked excerpts", counted),
        ("sizes of these excerpts, and how often each was read", _sizes(entries)),
        ("decodings tried on these; each is passed by chance with 2^-28", str(tried)),
        ("so the chance of a false answer, for each copy and key", f"{tried / keys * 2.0**-28:.1g}"),
    ]


def _sizes(excerpts: Sequence[Entry]) -> str:
    reads: Counter[str] = Counter()
    for excerpt in excerpts:
        reads[f"{excerpt['width']} x {excerpt['height']}"] += excerpt["keys"]
    return "; ".join(f"{size}: {count}" for size, count in reads.most_common())


def _spread(values: Iterable[float]) -> str:
    ordered = sorted(values)
    if not ordered:
        return NOT_MEASURED
    high = ordered[ceil(0.95 * len(ordered)) - 1]
    return f"{ordered[len(ordered) // 2]:.2f}; {high:.2f} ({len(ordered)} readings)"


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [" | ".join(line) for line in (head, ["---"] * len(head), *lines)]
    return "\n".join(f"| {row} |" for row in rows)
