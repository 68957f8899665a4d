import dataclasses
import hashlib
import shutil
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from detectors.manifests import Manifest, Presence
from moderation import demo
from moderation.demo import MARKS, Row, differences_from
from moderation.samples import clips, speech
from moderation.samples.clips import REFUSED, Sample, make_samples
from moderation.samples.copies import encode_again
from moderation.samples.drawing import draw_clip
from moderation.samples.footage import Sound
from moderation.samples.portraits import portrait
from moderation.samples.speech import SpeechUnavailable, speak, tone
from moderation.samples.stills import near, smooth
from moderation.settings import Settings


@pytest.fixture(scope="module")
def cache(embedded_pack: Manifest) -> Path:
    """Where weights, portraits, the voice and the samples themselves are kept."""
    return embedded_pack.folder.parent


@pytest.fixture(scope="module")
def samples(cache: Path) -> dict[str, Sample]:
    return {sample.name: sample for sample in make_samples(cache)}


def pictures(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as clip:
        return [frame.to_ndarray(format="bgr24") for frame in clip.decode(video=0)]


class TestDrawnClips:
    def test_same_arguments_same_bytes(self, tmp_path: Path):
        digests = []
        for name, seed in (("a", 5), ("b", 5), ("c", 6)):
            path = tmp_path / f"{name}.mp4"
            draw_clip(path, seconds=0.5, seed=seed, audio=tone(0.5))
            digests.append(hashlib.sha256(path.read_bytes()).hexdigest())
        assert digests[0] == digests[1] != digests[2]

    def test_size_rate_and_length_are_the_asked_ones(self, tmp_path: Path):
        path = tmp_path / "clip.mp4"
        draw_clip(path, seconds=1, width=360, height=640, fps=24, audio=tone(1))
        with av.open(str(path)) as clip:
            video = clip.streams.video[0]
            assert (video.width, video.height, video.average_rate, video.frames) == (360, 640, 24, 24)
            assert float(clip.duration / av.time_base) == pytest.approx(1, abs=0.05)
            assert len(clip.streams.audio) == 1

    def test_shapes_move(self, tmp_path: Path):
        path = tmp_path / "clip.mp4"
        draw_clip(path, seconds=1, width=320, height=180)
        first, *_, last = pictures(path)
        assert (np.abs(first.astype(int) - last).max(axis=2) > 40).mean() > 0.02

    def test_sound_arrives_whole(self, tmp_path: Path):
        path = tmp_path / "clip.mp4"
        draw_clip(path, seconds=1, width=320, height=180, audio=tone(0.9))
        with av.open(str(path)) as clip:
            heard = np.concatenate([frame.to_ndarray()[0] for frame in clip.decode(audio=0)])
        # One block of the coder may follow the last sample.
        assert len(heard) / 48_000 == pytest.approx(0.9, abs=0.05)
        assert 0.05 < np.abs(heard).max() < 0.5


class TestSpeech:
    def test_same_text_same_samples(self, cache: Path):
        once, again = (speak("Nobody is shown.", "en", cache) for _ in range(2))
        assert once.rate == 22_050
        assert 0.5 < once.seconds < 5
        assert np.abs(once.samples).max() > 5_000
        assert np.array_equal(once.samples, again.samples)

    def test_each_language_has_its_own_voice(self, cache: Path):
        spoken = {language: speak("2026", language, cache).samples.tobytes() for language in speech.LANGUAGES}
        assert len(set(spoken.values())) == 3

    def test_an_unknown_language_is_no_silence(self, cache: Path):
        with pytest.raises(SpeechUnavailable, match="no voice for 'xx'"):
            speak("Nobody is shown.", "xx", cache)

    def test_library_stays_out_of_this_process(self, cache: Path):
        speak("Nobody is shown.", "en", cache)
        assert "espeak-ng" not in Path("/proc/self/maps").read_text()

    def test_another_archive_than_the_pinned_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(speech, "HASHES", ("0" * 64,))
        with pytest.raises(SpeechUnavailable, match="Expected sha256"):
            speak("Nobody is shown.", "en", tmp_path)
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

    def test_a_changed_library_in_the_cache_is_not_run(
        self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        speak("Nobody is shown.", "en", cache)
        shutil.copytree(cache / "speech", tmp_path / "speech")
        (library,) = (tmp_path / "speech").glob("*/libespeak-ng.*")
        library.write_bytes(library.read_bytes() + b"changed")
        monkeypatch.setattr(speech, "REQUIREMENT", "espeakng-loader==0.0.0")
        with pytest.raises(SpeechUnavailable, match="could not be downloaded"):
            speak("Nobody is shown.", "en", tmp_path)

    def test_works_from_a_long_path_with_spaces(self, cache: Path, tmp_path: Path):
        far = tmp_path / ("a long folder " * 12).strip() / "cache"
        speak("Nobody is shown.", "en", cache)
        shutil.copytree(cache / "speech", far / "speech")
        assert speak("Nobody is shown.", "en", far).seconds > 0.5


class TestStills:
    def test_no_frame_cuts_the_picture(self):
        picture = np.full((90, 60, 3), 60, np.uint8)
        corners = {"blue": (240, 20, 20), "green": (20, 240, 20), "red": (20, 20, 240), "white": (240, 240, 240)}
        for (y, x), colour in zip(((0, 0), (0, -15), (-15, 0), (-15, -15)), corners.values(), strict=True):
            picture[y : y + 15 or None, x : x + 15 or None] = colour
        for frame in near(picture, 12, 320, 240):
            for colour in corners.values():
                seen = (np.abs(frame.astype(int) - colour).max(axis=2) < 60).sum()
                # A corner covers a 24th of the picture, which fills at least 0.88 of 160 by 240.
                assert seen > 0.8 * 0.88**2 * 160 * 240 / 24

    def test_smoothing_takes_lines_and_keeps_edges(self):
        lines = np.random.default_rng(1).normal(120, 8, (80, 80, 3)).clip(0, 255).astype(np.uint8)
        lines[:, 40:] = (lines[:, 40:].astype(int) + 100).clip(0, 255).astype(np.uint8)
        smoothed = smooth(lines, 6)
        assert smoothed[10:70, 5:35].std() < lines[10:70, 5:35].std() / 3
        assert abs(float(smoothed[:, 45:75].mean() - smoothed[:, 5:35].mean()) - 100) < 8


class TestTheSet:
    def test_shows_every_way_a_clip_can_go_by_itself(self, samples: dict[str, Sample]):
        assert {(sample.status, sample.reasons) for sample in samples.values()} == {
            ("released", ()),
            ("in_review", ("public_figure_likeness",)),
            ("in_review", ("minor_safety",)),
            (REFUSED, ("not_video",)),
            (REFUSED, ("truncated",)),
        }
        assert {sample.submission.locale for sample in samples.values()} == {"en", "fr", "ar"}

    def test_is_made_once(self, cache: Path, samples: dict[str, Sample]):
        before = {sample.path: sample.path.stat().st_mtime_ns for sample in samples.values()}
        made: list[str] = []
        again = make_samples(cache, progress=made.append)
        assert made == []
        assert {sample.path: sample.path.stat().st_mtime_ns for sample in again} == before

    def test_official_portrait_is_shown_unaltered(self, cache: Path, samples: dict[str, Sample]):
        last = pictures(samples["public-figure"].path)[-1]
        original = cv2.imread(str(portrait(clips.SHOWN, cache)))
        fitted = cv2.resize(original, (round(720 * 910 / 1137), 720), interpolation=cv2.INTER_AREA)
        found = cv2.matchTemplate(last, fitted[100:620, 50:520], cv2.TM_CCOEFF_NORMED)
        assert found.max() > 0.99

    def test_the_figure_is_registered_from_another_photograph(self):
        assert clips.SHOWN != clips.REGISTERED
        assert clips.PORTRAITS[clips.SHOWN].person == clips.PORTRAITS[clips.REGISTERED].person
        assert clips.PORTRAITS[clips.SHOWN].sha256 != clips.PORTRAITS[clips.REGISTERED].sha256

    def test_without_a_second_age_network_the_face_is_too_small_instead(
        self, embedded_pack: Manifest, cache: Path, tmp_path: Path
    ):
        lean = dataclasses.replace(
            embedded_pack,
            models=tuple(
                dataclasses.replace(entry, state=Presence.ABSENT, note="no client") if entry.optional else entry
                for entry in embedded_pack.models
            ),
        )
        (tmp_path / embedded_pack.folder.name).mkdir()
        (tmp_path / embedded_pack.folder.name / "manifest.json").write_text(lean.to_json())
        (tmp_path / "portraits").symlink_to(cache / "portraits")
        young = clips._young(tmp_path, tmp_path, lambda _: None)
        assert young.path.name == "unread-face.mp4"
        assert "too small to be read" in young.note
        assert (young.status, young.reasons) == ("in_review", ("minor_safety",))

    def test_a_tone_is_said_to_be_one_and_gives_way_to_speech(
        self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        plan = dataclasses.replace(clips._SPOKEN[0], size=(160, 90))
        monkeypatch.setattr(speech, "HASHES", ("0" * 64,))
        hummed = clips._spoken(tmp_path, tmp_path, plan, 1, lambda _: None)
        assert "a tone instead of speech" in hummed.note
        monkeypatch.undo()
        spoken = clips._spoken(tmp_path, cache, plan, 1, lambda _: None)
        assert spoken.note == "drawn shapes, generated speech"
        assert spoken.path != hummed.path


class TestDifferences:
    """What the demo calls a difference; its exit code rests on this."""

    def row(self, sample: Sample, **what: object) -> Row:
        shown = {"status": sample.status, "reasons": sample.reasons, "marks": dict.fromkeys(MARKS, "found")}
        return Row(sample=sample, **(shown | what))

    def test_none_when_all_is_as_meant(self, samples: dict[str, Sample]):
        for sample in samples.values():
            assert differences_from(self.row(sample)) == []

    def test_another_status(self, samples: dict[str, Sample]):
        assert differences_from(self.row(samples["shapes-english"], status="held")) == ["held, not released"]

    def test_a_reason_more_or_less(self, samples: dict[str, Sample]):
        assert differences_from(self.row(samples["young-looking"], reasons=()))
        assert differences_from(self.row(samples["shapes-english"], reasons=("prompt_text",)))

    @pytest.mark.parametrize("mark", MARKS)
    def test_a_released_clip_without_a_mark(self, samples: dict[str, Sample], mark: str):
        marks = dict.fromkeys(MARKS, "found") | {mark: "not_checked"}
        assert differences_from(self.row(samples["shapes-english"], marks=marks)) == [f"mark {mark} is not_checked"]

    def test_a_copy_that_is_not_known_as_ours(self):
        states = {"visible": "found", "invisible": "not_found", "c2pa": "not_found"}
        assert demo._untold(Path("x.mp4"), {"origin": "unknown"}, states, ("invisible",)) == [
            "x.mp4 is unknown, not ours",
            "x.mp4: invisible is not_found",
        ]


def test_a_copy_has_the_pictures_and_not_the_bytes(tmp_path: Path):
    source = tmp_path / "clip.mp4"
    draw_clip(source, seconds=0.5, audio=Sound(samples=np.zeros(11_025, np.int16), rate=22_050))
    copy = encode_again(source, tmp_path / "copy.mp4", crf=28)
    assert copy.stat().st_size < source.stat().st_size / 2
    before, after = pictures(source), pictures(copy)
    assert len(before) == len(after) == 15
    assert np.abs(before[7].astype(int) - after[7]).mean() < 6


def test_samples_are_kept_beside_the_weights(samples: dict[str, Sample]):
    folder = Settings().models / f"samples-{clips.VERSION}"
    assert {sample.path.parent for sample in samples.values()} == {folder}
