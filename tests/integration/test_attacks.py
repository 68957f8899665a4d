"""The attack bench says what was measured: nothing where no mark is, another id where another is, and nothing twice."""

import json
import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from xml.etree import ElementTree as ET

import av
import numpy as np
import pytest
import typer

from moderation.attacks import record as records
from moderation.attacks.applying import frames_of
from moderation.attacks.changes import ATTACKS, pair
from moderation.attacks.chart import Bar, draw_chart
from moderation.attacks.clips import Kind, kinds, subjects
from moderation.attacks.plan import PARTS, Plan, cells
from moderation.attacks.record import AnotherRun, Record
from moderation.attacks.report import as_markdown, as_text, failures, write_pages
from moderation.attacks.strangers import KEYS, Stranger, misread, strangers
from moderation.attacks.trials import Owner, key_for
from moderation.attacks.videos import open_video
from moderation.cli.attacks import attacks
from moderation.errors import Unprocessable
from moderation.samples.footage import Sound, write_footage
from watermark.frames import Planes
from watermark.invisible import InvisibleMarker
from watermark.payload import Payload, decode
from watermark.writing import Encoding

TWO = ["h264 crf 28", "mirrored"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MODERATION_MODELS", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of one small clip under two attacks, made once: its folder and its record."""
    folder = tmp_path_factory.mktemp("attacks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODERATION_MODELS", str(folder))
        run(folder / "made.json")
    return folder


def run(path, only=TWO, **options):
    attacks(clips=["small"], only=only, seconds=1, seed=7, record_at=path, **options)
    return json.loads(path.read_text())


def with_clips_of(made, folder):
    """A copy of what a run keeps, to be spoilt."""
    (kept,) = made.glob("attacks-*")
    return Path(shutil.copytree(kept, folder / kept.name))


def test_marks_are_read_from_attacked_copies(made):
    document = json.loads((made / "made.json").read_text())
    assert [(trial["attack"], trial["outcome"]) for trial in document["trials"]] == [
        ("h264 crf 28", "recovered"),
        ("mirrored", "recovered"),
    ]
    assert all(0 < trial["cpu_seconds"] < 30 and trial["looked_at_seconds"] < 1 for trial in document["trials"])
    assert "mirrored" in document["trials"][1]["view"]


def test_without_a_mark_nothing_is_found(made, folder, capsys):
    clips = with_clips_of(made, folder)
    shutil.copy(clips / "small.mp4", clips / "small-marked.mp4")
    trials = run(folder / "unmarked.json")["trials"]
    assert [trial["outcome"] for trial in trials] == ["lost", "lost"]
    assert "0 of 2" in capsys.readouterr().out


def test_another_clips_id_is_wrong(made, folder):
    clips = with_clips_of(made, folder)
    Owner.of("another", 7).mark(clips / "small.mp4", clips / "small-marked.mp4", Encoding(threads=1))
    trials = run(folder / "another.json", only=["mirrored"])["trials"]
    assert [trial["outcome"] for trial in trials] == ["wrong"]


def test_a_run_goes_on_where_it_stopped_and_begins_anew_with_another_mark(made, folder, monkeypatch):
    clips, path = with_clips_of(made, folder), folder / "record.json"
    shutil.copy(made / "made.json", path)
    # Would be lost now: what stands is not measured again.
    shutil.copy(clips / "small.mp4", clips / "small-marked.mp4")
    assert [trial["outcome"] for trial in run(path)["trials"]] == ["recovered", "recovered"]
    monkeypatch.setattr(records, "mark_code", lambda: "another")
    record = Record(path, seconds=1, seed=7)
    assert not record.has("trials", "small", "mirrored")
    assert record.knows("trials", "small", "mirrored")
    assert record.older() == 2


def test_a_file_of_another_run_is_left_alone(made, folder):
    shutil.copy(made / "made.json", folder / "made.json")
    with pytest.raises(typer.BadParameter, match="another file"):
        attacks(clips=["small"], only=TWO, seconds=2, seed=7, record_at=folder / "made.json")


@pytest.mark.parametrize("options", [{"clips": ["nothing"]}, {"only": ["nothing"]}])
def test_unknown_names_are_refused(folder, options):
    with pytest.raises(typer.BadParameter, match="unknown: nothing"):
        attacks(**{"seconds": 1, **options})


def greys(marked_by, version=3):
    """Drawn pictures, marked by a key or not; the mark says that the key has this version."""

    def draw(count, size, seed):
        pictures = kinds(Path())["small"].draw(count, size, seed)
        marker = InvisibleMarker(Payload(mark_id=5, key_version=version), marked_by, *size) if marked_by else None
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="gray")
            luma = np.ascontiguousarray(frame.to_ndarray())
            if marker is not None:
                chroma = np.zeros((1, 1), np.uint8)
                marker.mark(Planes(index=number, time_ms=number * 40, y=luma, u=chroma, v=chroma))
            yield np.repeat(luma[:, :, None], 3, axis=2)

    return Kind("drawn", (480, 480), draw)


@pytest.mark.parametrize(
    ("whose", "version", "state"),
    [("stranger 0/3", 3, "found"), (None, 3, "not_found"), ("stranger 0/3", 5, "damaged")],
    ids=["marked", "unmarked", "undecodable"],
)
def test_a_mark_among_strangers_is_noticed(monkeypatch, whose, version, state):
    decoded: list[object] = []
    monkeypatch.setattr("moderation.attacks.strangers.KEYS", 4)
    monkeypatch.setattr("watermark.invisible.decode", lambda *said: (decoded.append(said), decode(*said))[1])
    stranger = Stranger(number=0, kind="drawn", seconds=0.6, size=(480, 480), attack="h264 crf 23", seed=1)
    entry = misread(stranger, {"drawn": greys(key_for(whose, 7) if whose else None, version)}, seed=7)
    assert (entry["state"], entry["keys"]) == (state, 4)
    assert entry["decodings_tried"] == len(decoded)
    # Waves without a word behind them: every place they show at is decoded twice.
    assert {"found": len(decoded) >= 1, "not_found": True, "damaged": len(decoded) >= 2 and len(decoded) % 2 == 0}[
        state
    ]


def test_excerpts_without_a_mark_are_many_and_of_many_sizes():
    planned = list(strangers(kinds(Path()), 1))
    assert len({(each.number, each.kind, each.seed) for each in planned}) == len(planned) >= 100
    assert len(planned) * KEYS >= 2000
    assert {(1280, 720), (720, 1280), (1920, 1080), (1080, 1920), (854, 480)} == {each.size for each in planned}
    assert {each.kind for each in planned if each.seconds > 1} == set(kinds(Path()))


def filmed(path, seconds=2.4, size=(320, 240), fps=30, seed=3):
    """A clip as a caller may have one: another size and rate than ours, with sound."""
    pictures = kinds(Path())["rough"].draw(round(seconds * fps), size, seed)
    noise = np.random.default_rng(seed).integers(-9000, 9000, round(seconds * 48_000)).astype(np.int16)
    write_footage(path, pictures, fps=fps, sound=Sound(samples=noise, rate=48_000))
    return path


def test_a_clip_of_the_callers_own_is_attacked_like_the_others_and_what_was_not_measured_is_said(folder, capsys):
    mine, path = filmed(folder / "my film, 2.mp4"), folder / "own.json"
    only = ["mirrored", "screenshot", "quality"]
    attacks(clips=["my_film_2"], video=[mine], only=only, seconds=2, seed=7, record_at=path)
    document = json.loads(path.read_text())
    assert [(trial["clip"], trial["outcome"]) for trial in document["trials"]] == [("my_film_2", "recovered")]
    (clip,) = document["clips"]
    assert (clip["seconds"], clip["width"], clip["height"], clip["textured"]) == (2, 320, 240, True)
    assert clip["bytes_marked"] > clip["bytes_bare"] > 0
    assert clip["vmaf_marked"] is None
    assert clip["unmarked_outcome"] == "lost"
    assert 40 < clip["psnr_y_worst_frame"] <= clip["psnr_y"] < 60
    said = document["videos"]["my_film_2"]
    assert said == {
        "file": "my film, 2.mp4",
        "sha256": sha256(mine.read_bytes()).hexdigest(),
        "codec": "h264",
        "seconds": 2.4,
        "width": 320,
        "height": 240,
        "fps": 30,
    }
    printed = capsys.readouterr().out
    assert "with natural texture (my_film_2)" in printed
    assert any("VMAF" in line and line.endswith("not measured") for line in printed.splitlines())
    # What is marked and compared with are the file's own frames, to the bit, and no more of them than was asked for.
    (kept,) = folder.glob("attacks-*/my_film_2-????????.mp4")
    frames, theirs = list(frames_of(kept)), list(frames_of(mine))
    assert len(frames) == 60
    assert all(np.array_equal(a.to_ndarray(), b.to_ndarray()) for a, b in zip(frames, theirs, strict=False))
    assert [round(frame.time * 30) for frame in frames] == list(range(60))
    with av.open(str(kept)) as opened:
        assert [stream.type for stream in opened.streams] == ["video"]
    # Another file of that name is another clip.
    filmed(mine, seed=4)
    with pytest.raises(typer.BadParameter, match="another file called my_film_2"):
        attacks(clips=["my_film_2"], video=[mine], only=only, seconds=2, seed=7, record_at=path)


def test_nothing_changes_for_the_drawn_clips_beside_an_own_one(tmp_path):
    known = subjects(tmp_path, [open_video(filmed(tmp_path / "mine.mp4"))])
    assert list(known) == [*kinds(tmp_path), "mine"]
    planned, alone = list(strangers(known, 1)), list(strangers(kinds(tmp_path), 1))
    assert planned[: len(alone)] == alone
    pieces = [[frame.time for frame in each.frames(known["mine"])] for each in planned[len(alone) :]]
    assert [len(piece) for piece in pieces] == [27, 27]
    assert pieces[0][-1] < pieces[1][0]
    plan = Plan(
        clips=tuple(known), only=PARTS, seconds=10, seed=1, folder=tmp_path, encoding=Encoding(preset="veryfast")
    )
    own = [cell for cell in cells(plan, known) if cell.clip == "mine"]
    drawn = replace(plan, clips=tuple(kinds(tmp_path)))
    assert [cell for cell in cells(plan, known) if cell.clip != "mine"] == list(cells(drawn, kinds(tmp_path)))
    assert {cell.part for cell in own} == {"ordinary", "hard", "wider", "pair", "removal"}


def test_pictures_are_taken_within_a_shorter_file(tmp_path):
    known = subjects(tmp_path, [open_video(filmed(tmp_path / "mine.mp4", size=(720, 720), fps=5))])
    plan = Plan(clips=("mine",), only=["screenshot"], seconds=10, seed=1, folder=tmp_path, encoding=Encoding())
    shots = [cell.shot.at_seconds for cell in cells(plan, known) if cell.shot]
    assert len(shots) == 9
    assert max(shots) < 2.4


def test_files_that_cannot_be_attacked_are_refused(folder):
    broken = folder / "broken.mp4"
    broken.write_bytes(b"no film at all")
    with pytest.raises(Unprocessable, match=r"broken\.mp4: the file is not"):
        attacks(video=[broken], seconds=2)
    with pytest.raises(Unprocessable, match="the clip lasts 1 s"):
        attacks(video=[filmed(folder / "brief.mp4", seconds=1)], seconds=2)
    with pytest.raises(typer.BadParameter, match="two clips would be called small"):
        attacks(video=[filmed(folder / "small.mp4")], seconds=2)


def entry(part, attack, outcome="recovered", **more):
    measured = {"view": "aligned: fine", "looked_at_seconds": 1.0, "cpu_seconds": 0.1, "what": ""}
    return {"clip": "text", "part": part, "attack": attack, "outcome": outcome, **measured, **more}


def test_pages_say_what_failed(tmp_path):
    record = Record(None, seconds=10, seed=1)
    record.put("trials", entry("ordinary", "mirrored"))
    record.put("trials", entry("ordinary", "grey", "lost"))
    record.put("trials", entry("removal", "denoised and sharpened", psnr_y_of_copy=33.3))
    (tmp_path / "assets").mkdir()
    page = tmp_path / "robustness.md"
    page.write_text("before\n<!-- attacks -->\nold\n<!-- /attacks -->\nafter\n")
    write_pages(record, tmp_path)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| grey | 0 of 1 | text |" in text
    assert "33.3 dB" in text
    assert failures(record) == ["text: grey: lost"]
    chart = ET.fromstring((tmp_path / "assets" / "robustness.svg").read_text())
    assert "1 of 2" in "".join(chart.itertext())
    page.write_text("no place")
    with pytest.raises(ValueError, match="no place"):
        write_pages(record, tmp_path)
    assert "not measured" in as_text(Record(None, seconds=1, seed=1))


def weighed(clip, *, growth, textured, vmaf=None):
    about = {"shows": "", "seconds": 10, "width": 1280, "height": 720, "detail": 1.0, "textured": textured}
    read = {"unmarked_outcome": "lost", "unmarked_cpu_seconds": 1.0, "psnr_y": 46.0, "psnr_y_worst_frame": 45.0}
    sizes = {"bytes_bare": 1000, "bytes_marked": round(1000 * (1 + growth))}
    return {"clip": clip, **about, **read, **sizes, "vmaf_bare": 95.0, "vmaf_marked": 94.0 if vmaf is None else vmaf}


def test_clips_with_texture_and_without_are_told_apart_and_together():
    record = Record(None, seconds=10, seed=1)
    record.put("clips", weighed("rough", growth=0.1, textured=True))
    record.put("clips", weighed("camera", growth=0.2, textured=True))
    record.put("clips", weighed("text", growth=3.0, textured=False, vmaf=80.0))
    lines = as_markdown(record).splitlines()
    assert "| all clips (3) | 46.0; 46.0; 45.0 dB | +110.0%; +300.0% | 5.7; 15.0 |" in lines
    assert "| with natural texture (rough, camera) | 46.0; 46.0; 45.0 dB | +15.0%; +20.0% | 1.0; 1.0 |" in lines
    assert "| without any grain (text) | 46.0; 46.0; 45.0 dB | +300.0%; +300.0% | 15.0; 15.0 |" in lines


def test_runs_beside_one_another_make_one_record(tmp_path, monkeypatch):
    first, second = (Record(tmp_path / f"{name}.json", seconds=10, seed=1) for name in "ab")
    first.put("trials", entry("ordinary", "grey"))
    first.put("trials", entry("ordinary", "mirrored"))
    second.put("trials", entry("ordinary", "blurred", "lost"))
    with monkeypatch.context() as patch:
        patch.setattr(records, "mark_code", lambda: "another")
        Record(tmp_path / "c.json", seconds=10, seed=1).put("trials", entry("ordinary", "mirrored", "lost"))
    for other in "bc":
        first.take(tmp_path / f"{other}.json")
    both = Record(tmp_path / "a.json", seconds=10, seed=1)
    assert failures(both) == ["text: blurred: lost"]
    assert (len(both.entries("trials")), both.older()) == (3, 0)
    with pytest.raises(AnotherRun, match=r"b\.json"):
        Record(None, seconds=5, seed=1).take(tmp_path / "b.json")


def test_a_false_answers_chance_is_counted_from_what_was_decoded():
    record = Record(None, seconds=10, seed=1)
    excerpt = {"kind": "text", "seconds": 0.9, "keys": 16, "state": "not_found", "width": 1080, "height": 1920}
    record.put("strangers", {**excerpt, "excerpt": 0, "decodings_tried": 6})
    record.put("strangers", {**excerpt, "excerpt": 1, "decodings_tried": 2, "width": 1280, "height": 720})
    text = as_markdown(record)
    assert "0 of 32 (excerpt, key) from 2 excerpts, 0 of them over 1 s" in text
    assert "1080 x 1920: 16; 1280 x 720: 16" in text
    assert f"| {8 / 32 * 2**-28:.1g} |" in text


def test_a_clip_of_few_lines_is_held_to_no_target(tmp_path):
    video = open_video(filmed(tmp_path / "text.mp4"))
    record = Record(None, seconds=10, seed=1, videos=[video])
    record.put("trials", entry("ordinary", "grey", "lost"))
    assert "| copies of clips below 480 lines | 0 of 1 |  |" in as_markdown(record)
    assert "1 clip of your own, 1 copy." in as_markdown(record)


def test_a_bar_is_as_long_as_its_share():
    chart = ET.fromstring(draw_chart("a < b", [Bar(label="x", share=0.5, count="1 of 2", target=1.0)]))
    widths = [float(each.get("width")) for each in chart if each.tag.endswith("rect")]
    assert widths[1] == widths[0] / 2


def test_pairs_are_drawn_and_the_same_for_the_same_seed():
    drawn = {pair("text", number, seed)[0] for number in range(6) for seed in range(2)}
    assert len(drawn) > 8
    assert pair("text", 1, 1) == pair("text", 1, 1)
    name, attack = pair("text", 1, 1)
    first, second = (ATTACKS[part] for part in name.split(" + "))
    assert len(attack.steps) == len(first.steps) + len(second.steps)


def test_the_bench_is_as_wide_as_it_says():
    counted = [attack.kind for attack in ATTACKS.values()]
    # "As delivered" stands beside the 28.
    assert (counted.count("ordinary"), counted.count("hard")) == (29, 6)
    assert len(kinds(Path())) >= 10
