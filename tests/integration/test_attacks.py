"""The attack bench says what was measured: nothing where no mark is, another id where another is, and nothing twice."""

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import av
import numpy as np
import pytest
import typer

from moderation.attacks import record as records
from moderation.attacks.changes import ATTACKS, pair
from moderation.attacks.chart import Bar, draw_chart
from moderation.attacks.clips import Kind, kinds
from moderation.attacks.record import Record
from moderation.attacks.report import as_text, failures, write_pages
from moderation.attacks.strangers import Stranger, misread
from moderation.attacks.trials import Owner, key_for
from moderation.cli.attacks import attacks
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


def test_what_was_not_measured_is_said(folder, capsys):
    attacks(clips=["small"], only=["quality"], seconds=1, seed=7, record_at=folder / "a.json")
    entry = json.loads((folder / "a.json").read_text())["clips"][0]
    assert entry["vmaf_marked"] is None
    assert entry["bytes_marked"] > entry["bytes_bare"] > 0
    assert entry["unmarked_outcome"] == "lost"
    assert 40 < entry["psnr_y_worst_frame"] <= entry["psnr_y"] < 60
    printed = capsys.readouterr().out
    assert any("VMAF" in line and line.endswith("not measured") for line in printed.splitlines())


def greys(marked_by):
    """Drawn pictures, marked by a key or not."""

    def draw(count, size, seed):
        pictures = kinds(Path())["small"].draw(count, size, seed)
        marker = InvisibleMarker(Payload(mark_id=5, key_version=3), marked_by, *size) if marked_by else None
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="gray")
            luma = np.ascontiguousarray(frame.to_ndarray())
            if marker is not None:
                chroma = np.zeros((1, 1), np.uint8)
                marker.mark(Planes(index=number, time_ms=number * 40, y=luma, u=chroma, v=chroma))
            yield np.repeat(luma[:, :, None], 3, axis=2)

    return Kind("drawn", (480, 480), draw)


@pytest.mark.parametrize(("whose", "state"), [("stranger 0/3", "found"), (None, "not_found")])
def test_a_mark_among_strangers_is_noticed(monkeypatch, whose, state):
    decoded: list[object] = []
    monkeypatch.setattr("moderation.attacks.strangers.KEYS", 4)
    monkeypatch.setattr("watermark.invisible.decode", lambda *said: (decoded.append(said), decode(*said))[1])
    stranger = Stranger(number=0, kind="drawn", seconds=0.6, attack="h264 crf 23", seed=1)
    entry = misread(stranger, {"drawn": greys(key_for(whose, 7) if whose else None)}, seed=7)
    assert (entry["state"], entry["keys"]) == (state, 4)
    assert entry["decodings_tried"] == len(decoded)
    assert decoded or state == "not_found"


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
