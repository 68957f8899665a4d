"""`moderation attacks`: marks clips, does to them what happens to clips elsewhere, and reads them."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from moderation.attacks.bench import Bench
from moderation.attacks.changes import ATTACKS
from moderation.attacks.clips import Subject, subjects
from moderation.attacks.plan import PARTS, Plan, missing
from moderation.attacks.record import AnotherRun, Record
from moderation.attacks.removal import REMOVERS
from moderation.attacks.report import as_text, write_pages
from moderation.attacks.videos import Video, open_video
from moderation.errors import Unprocessable
from moderation.settings import Settings
from watermark.limits import VideoRefused
from watermark.writing import Encoding


def attacks(
    *,
    clips: Annotated[list[str] | None, typer.Option(help="A clip by name; may be repeated. All without it.")] = None,
    video: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            readable=True,
            help="A clip of your own: its first seconds, without sound; may be repeated. Named by its file's stem.",
        ),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help=f"A part ({', '.join(PARTS)}) or an attack; may be repeated.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, max=60, help="How long the clips are.")] = 10.0,
    seed: Annotated[int, typer.Option(help="What keys, ids, pairs and excerpts are drawn from.")] = 1,
    record_at: Annotated[
        Path | None, typer.Option("--json", help="Keep the results here, and continue what is there.")
    ] = None,
    beside: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="Take in the record of a run beside this one; may be repeated."),
    ] = None,
    pages: Annotated[Path | None, typer.Option(help="Write the table and the chart into this folder (docs).")] = None,
    ffmpeg: Annotated[Path | None, typer.Option(exists=True, help="A program with libvmaf, for VMAF.")] = None,
) -> None:
    """Attack marked clips and read them: what survives, what it costs, what is seen where no mark is.

    Exit 3 where a file of your own cannot be used.
    """
    settings = Settings()
    marking, videos = settings.marking, [_opened(path) for path in video or ()]
    known = _subjects(settings.models, videos)
    chosen = [*clips, *(each.name for each in videos)] if clips else None
    plan = Plan(
        clips=tuple(dict.fromkeys(_known(chosen, known))),
        only=_known(only, (*PARTS, *ATTACKS, *REMOVERS), PARTS),
        seconds=seconds,
        seed=seed,
        folder=settings.models,
        encoding=Encoding(preset=marking.preset, crf=marking.crf, threads=marking.encoder_threads),
        ffmpeg=ffmpeg,
    )
    try:
        record = Record(record_at, seconds=seconds, seed=seed, videos=videos)
        for other in beside or ():
            record.take(other)
    except AnotherRun as error:
        raise typer.BadParameter(str(error)) from error
    Bench(plan, record, known, lambda line: typer.echo(line, err=True)).run()
    typer.echo(as_text(record))
    if pages is not None:
        write_pages(record, pages, missing=missing(record, plan, known))


def _opened(path: Path) -> Video:
    try:
        return open_video(path)
    except (VideoRefused, ValueError) as error:
        raise Unprocessable(f"{path}: {error}") from error


def _subjects(folder: Path, videos: Sequence[Video]) -> Mapping[str, Subject]:
    try:
        return subjects(folder, videos)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _known(named: Sequence[str] | None, known: Iterable[str], without: Iterable[str] | None = None) -> tuple[str, ...]:
    """Return what was named, or all; refuses what is unknown."""
    unknown = set(named or ()) - set(known)
    if unknown:
        raise typer.BadParameter(f"unknown: {', '.join(sorted(unknown))}; known are {', '.join(known)}")
    return tuple(named or without or known)
