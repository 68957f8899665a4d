"""Faces of a clip, on real weights and official portraits: found, followed, recognised, aged, or said to be unread."""

import dataclasses
from collections.abc import Mapping

import cv2
import numpy as np
import pytest

from detectors.base import DetectorError, DetectorUnavailable, FaceState, Findings, Frame, Gallery, State, Subject
from detectors.embedding import MIN_DISTANT_HEIGHT, MIN_HEIGHT, sharpness
from detectors.faces import EMBEDDER_MODEL, Faces
from detectors.likeness import Lines, make_rotation, turn
from detectors.manifests import Manifest
from detectors.minors import AgeReader
from detectors.runtime import Session
from detectors.views import DISTANT_VIEWS
from detectors.yunet import FaceFinder
from moderation.samples.portraits import PORTRAITS, portrait
from moderation.settings import Settings

OBAMA = ("obama-2012", "obama-2009", "obama-2010")
STEP_MS = 333


@pytest.fixture(scope="module")
def faces(embedded_pack: Manifest) -> Faces:
    return Faces.load(embedded_pack)


@pytest.fixture(scope="module")
def pictures() -> dict[str, np.ndarray]:
    """Every portrait, uint8 BGR, scaled so that the face is 160 pixels high."""
    loaded = {}
    for name in PORTRAITS:
        picture = cv2.imread(str(portrait(name, Settings().models)))
        assert picture is not None
        loaded[name] = picture
    return loaded


@pytest.fixture(scope="module")
def cutouts(faces: Faces, pictures) -> dict[str, np.ndarray]:
    """The head and shoulders of every portrait, the face 160 pixels high: a square of 320 by 320."""
    cut = {}
    for name, picture in pictures.items():
        (face,) = faces.finder.find(picture)
        middle = (face.edges[:2] + face.edges[2:]) / 2
        scale = 160 / face.height
        matrix = np.array([[scale, 0, 160 - scale * middle[0]], [0, scale, 160 - scale * middle[1]]])
        small = cv2.GaussianBlur(picture, (0, 0), max(0.1, 0.4 / scale))
        cut[name] = cv2.warpAffine(small, matrix, (320, 320), borderMode=cv2.BORDER_REPLICATE)
    return cut


def scene(*placed: tuple, size: tuple[int, int] = (360, 640)) -> np.ndarray:
    """A grey-green picture with cutouts placed at (x, y), each at a scale."""
    picture = np.full((*size, 3), (90, 120, 100), np.uint8)
    for cutout, x, y, scale in placed:
        small = cv2.resize(cutout, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        picture[y : y + small.shape[0], x : x + small.shape[1]] = small
    return picture


def clip(*pictures: np.ndarray) -> list[Frame]:
    return [Frame(index=i, time_ms=i * STEP_MS, pixels=picture) for i, picture in enumerate(pictures)]


def inspect(faces: Faces, frames: list[Frame], gallery: Gallery | None = None, batch: int = 4) -> Findings:
    inspection = faces.open(Subject(duration_ms=len(frames) * STEP_MS, gallery=gallery))
    for start in range(0, len(frames), batch):
        inspection.see(frames[start : start + batch])
    return inspection.finish()


def registered(faces: Faces, pictures, names: Mapping[str, str], seed: bytes | None = b"secret") -> Gallery:
    """A gallery of one portrait per person."""
    vectors = np.stack([faces.face_templates(pictures[name])[0].vector for name in names.values()])
    rotation = None if seed is None else make_rotation(seed, 128)
    return Gallery(
        model=EMBEDDER_MODEL, version="1", people=tuple(names), vectors=turn(vectors, rotation), rotation=rotation
    )


def signal(findings: Findings, name: str):
    (found,) = [each for each in findings.signals if each.name == name]
    assert found.state is State.MEASURED
    return found


def test_each_portrait_holds_one_readable_face(faces: Faces, pictures):
    for picture in pictures.values():
        ((box, quality, vector),) = faces.face_templates(picture)
        assert vector.shape == (128,)
        assert vector.dtype == np.float32
        assert 0.5 < quality <= 1
        assert 0 < box.x < box.x + box.width < 1


def test_distances_tell_one_man_from_the_others(faces: Faces, pictures):
    vectors = {name: faces.face_templates(picture)[0].vector for name, picture in pictures.items()}
    distances = {(a, b): np.linalg.norm(vectors[a] - vectors[b]) for a in vectors for b in vectors if a < b}
    for pair, distance in distances.items():
        if set(pair) <= set(OBAMA):
            assert distance < 0.45, pair
        else:
            assert distance > 0.75, pair


def test_a_person_registered_from_another_photo_is_matched_through_the_clip(faces: Faces, pictures, cutouts):
    frames = clip(*(scene((cutouts["obama-2009"], 60 + 30 * i, 20, 0.9)) for i in range(6)))
    gallery = registered(faces, pictures, {"per_biden": "biden-2010", "per_obama": "obama-2012"})
    findings = inspect(faces, frames, gallery)
    (track,) = findings.faces
    assert track.state is FaceState.MATCHED
    assert [match.person for match in track.matches] == ["per_obama"]
    assert 0.2 < track.matches[0].distance < 0.5
    assert (track.start_ms, track.end_ms) == (0, 6 * STEP_MS)
    assert [time for time, _ in track.boxes] == [frame.time_ms for frame in frames]
    assert 130 <= track.height_px <= 160
    distances = signal(findings, "face.match_distance").samples
    times = [sample.time_ms for sample in distances]
    assert (times[0], times[-1]) == (0, frames[-1].time_ms)
    assert times == sorted(set(times))
    assert set(times) <= {frame.time_ms for frame in frames}
    assert all(0.2 < sample.value < 0.6 and sample.track == 0 and sample.box is not None for sample in distances)
    assert signal(findings, "face.unread").samples == ()


def test_the_wrong_person_is_not_matched(faces: Faces, pictures, cutouts):
    frames = clip(*[scene((cutouts["biden-2010"], 100, 20, 1.0))] * 4)
    findings = inspect(faces, frames, registered(faces, pictures, {"per_obama": "obama-2012"}))
    (track,) = findings.faces
    assert (track.state, track.matches) == (FaceState.UNMATCHED, ())
    assert all(sample.value > 0.7 for sample in signal(findings, "face.match_distance").samples)


def test_two_people_in_one_frame_are_two_tracks(faces: Faces, pictures, cutouts):
    both = scene((cutouts["obama-2010"], 0, 20, 0.9), (cutouts["collins"], 330, 20, 0.9))
    findings = inspect(faces, clip(*[both] * 4), registered(faces, pictures, {"per_obama": "obama-2012"}))
    assert sorted(track.state for track in findings.faces) == [FaceState.MATCHED, FaceState.UNMATCHED]
    assert all(len(track.boxes) == 4 for track in findings.faces)


def test_a_cut_to_somebody_else_in_the_same_place_is_another_track(faces: Faces, pictures, cutouts):
    one, other = (scene((cutouts[name], 100, 20, 1.0)) for name in ("obama-2012", "biden-2010"))
    findings = inspect(faces, clip(one, one, one, other, other), registered(faces, pictures, {"p": "obama-2009"}))
    first, second = findings.faces
    assert (first.state, first.start_ms, first.end_ms) == (FaceState.MATCHED, 0, 3 * STEP_MS)
    assert (second.state, second.start_ms, second.end_ms) == (FaceState.UNMATCHED, 3 * STEP_MS, 5 * STEP_MS)


def test_small_faces_are_present_but_unread(faces: Faces, pictures, cutouts):
    frames = clip(*[scene((cutouts["obama-2012"], 200, 100, 0.22))] * 3)
    findings = inspect(faces, frames, registered(faces, pictures, {"per_obama": "obama-2012"}))
    (track,) = findings.faces
    assert track.height_px < MIN_DISTANT_HEIGHT
    assert (track.state, track.matches) == (FaceState.UNREAD, ())
    assert [(s.time_ms, s.value, s.track) for s in signal(findings, "face.unread").samples] == [
        (frame.time_ms, 1.0, 0) for frame in frames
    ]
    for name in ("face.age", "minor.score", "face.match_distance"):
        assert signal(findings, name).samples == ()
    assert all(sample.value > 0.7 for sample in signal(findings, "face.detection").samples)


def test_a_distant_face_is_unread_and_the_likeness_is_told_all_the_same(faces: Faces, pictures, cutouts):
    frames = clip(*[scene((cutouts["obama-2012"], 200, 100, 0.3))] * 3)
    gallery = registered(faces, pictures, {"per_obama": "obama-2009", "per_biden": "biden-2010"})
    findings = inspect(faces, frames, gallery)
    (track,) = findings.faces
    assert MIN_DISTANT_HEIGHT <= track.height_px < MIN_HEIGHT
    assert track.state is FaceState.UNREAD
    assert [(match.person, match.state) for match in track.matches] == [("per_obama", FaceState.POSSIBLE)]
    assert len(signal(findings, "face.unread").samples) == len(frames)
    assert signal(findings, "face.age").samples == ()
    # What is possible from afar is a match from near.
    (near,) = inspect(faces, clip(scene((cutouts["obama-2012"], 200, 20, 0.6))), gallery).faces
    assert near.state is FaceState.MATCHED


def test_a_distant_stranger_is_nobody(faces: Faces, pictures, cutouts):
    frames = clip(scene((cutouts["collins"], 200, 100, 0.3)))
    (track,) = inspect(faces, frames, registered(faces, pictures, {"per_obama": "obama-2012"})).faces
    assert MIN_DISTANT_HEIGHT <= track.height_px < MIN_HEIGHT
    assert (track.state, track.matches) == (FaceState.UNREAD, ())


def test_distant_views_are_forgotten_once_the_face_is_near(faces: Faces, pictures, cutouts):
    gallery = registered(faces, pictures, {"per_obama": "obama-2009"})
    scales = (0.3, 0.36, 0.45, 0.55)
    pictured = [scene((cutouts["obama-2012"], round(300 - 160 * s), round(180 - 160 * s), s)) for s in scales]
    (approaching,) = inspect(faces, clip(*pictured), gallery).faces
    (near,) = inspect(faces, clip(*pictured[2:]), gallery).faces
    assert approaching.matches == near.matches


def test_a_face_without_detail_is_unread_however_large(faces: Faces, cutouts):
    tiny = cv2.resize(cutouts["obama-2012"], (40, 40), interpolation=cv2.INTER_AREA)
    blurred = cv2.resize(tiny, (320, 320), interpolation=cv2.INTER_CUBIC)
    (track,) = inspect(faces, clip(scene((blurred, 100, 20, 1.0)))).faces
    assert track.height_px > 100
    assert track.state is FaceState.UNREAD
    assert sharpness(blurred) < sharpness(cutouts["obama-2012"]) / 5


def test_a_face_once_read_is_not_unread_when_it_shrinks(faces: Faces, cutouts):
    scales = (0.7, 0.55, 0.45, 0.38)
    placed = [(cutouts["obama-2012"], round(300 - 160 * s), round(180 - 160 * s), s) for s in scales]
    findings = inspect(faces, clip(*(scene(place) for place in placed)))
    (track,) = findings.faces
    assert track.state is FaceState.UNMATCHED
    assert len(track.boxes) == len(scales)
    assert len(signal(findings, "face.age").samples) == 1
    assert signal(findings, "face.unread").samples == ()


def test_the_border_pass_finds_a_face_that_fills_the_frame(faces: Faces, pictures):
    picture = pictures["obama-2012"]
    (face,) = faces.finder.find(picture)
    left, top, right, bottom = (round(float(edge)) for edge in face.edges)
    # From the brows to the lip: no outline of the head is left.
    inset = round(0.12 * face.height)
    close = cv2.resize(picture[top + 2 * inset : bottom - inset, left + inset : right - inset], (600, 640))
    assert FaceFinder(faces._finder_network)._look(close, 0.0) == ()
    assert len(faces.finder.find(close)) == 1


@pytest.mark.parametrize("size", [(360, 640), (640, 360), (640, 640), (100, 640)])
def test_a_frame_costs_no_more_than_its_shape_and_faces_stay_where_they_are(size, embedded_pack, faces, cutouts):
    fitted = cv2.resize(cutouts["obama-2012"], (90, 90), interpolation=cv2.INTER_AREA)
    frame = scene((fitted, 100, 5, 1.0), size=size)
    seen = []

    class Square:
        """The export as it is: the picture in the corner of a black square."""

        model = faces.finder_model
        session = Session.open(embedded_pack, "face_detection_yunet")

        def run(self, batch):
            seen.append(batch.shape)
            whole = np.zeros((1, 3, 640, 640), np.float32)
            whole[:, :, : batch.shape[2], : batch.shape[3]] = batch
            answers = {}
            for name, answer in self.session.run(whole).items():
                stride = int(name.split("_")[1])
                grid = answer.reshape(1, 640 // stride, 640 // stride, -1)
                cut = grid[:, : batch.shape[2] // stride, : batch.shape[3] // stride]
                answers[name] = cut.reshape(1, -1, grid.shape[-1])
            return answers

    (face,) = faces.finder.find(frame)
    (expected,) = FaceFinder(Square()).find(frame)
    assert face.edges == pytest.approx(expected.edges, abs=1.5)
    assert face.score == pytest.approx(expected.score, abs=0.05)
    assert all(shape[2] * shape[3] <= (size[0] + 31) * (size[1] + 31) for shape in seen)


def test_a_clip_without_faces_says_so_in_every_frame(faces: Faces):
    findings = inspect(faces, clip(*[scene()] * 3))
    assert findings.faces == ()
    assert [(s.time_ms, s.value) for s in signal(findings, "face.detection").samples] == [(0, 0), (333, 0), (666, 0)]


def test_an_empty_gallery_gives_no_distance_and_no_zero(faces: Faces, cutouts):
    frames = clip(scene((cutouts["collins"], 100, 20, 1.0)))
    nobody = Gallery(model="whatever", version="0", people=(), vectors=np.empty((0, 128), np.float32))
    for gallery in (None, nobody):
        findings = inspect(faces, frames, gallery)
        assert signal(findings, "face.match_distance").samples == ()
        assert findings.faces[0].state is FaceState.UNMATCHED


def test_ages_are_the_lower_of_the_two_nets(faces: Faces, cutouts):
    picture = scene((cutouts["obama-2012"], 100, 20, 1.0))
    (face,) = faces.finder.find(picture)
    (reading,) = faces.ages.read(picture, [face.edges], [face.points])
    findings = inspect(faces, clip(picture))
    (age,) = signal(findings, "face.age").samples
    assert age.value == pytest.approx(min(reading.age_first, reading.age_second), abs=0.5)
    assert 25 < age.value < 70
    assert signal(findings, "face.age").model.id == "age_v1+age_faceapi"
    assert signal(findings, "minor.score").samples[0].value < 0.1


def test_without_the_second_age_net_the_signal_says_so(embedded_pack: Manifest, faces: Faces, cutouts):
    ages = AgeReader(Session.open(embedded_pack, "age_v1"), None, note="one age network only")
    alone = Faces(faces._finder_network, faces._embedder_network, ages, lines=Lines(), min_score=0.7, min_height=64)
    age = signal(inspect(alone, clip(scene((cutouts["collins"], 100, 20, 1.0)))), "face.age")
    assert (age.model.id, age.note, len(age.samples)) == ("age_v1", "one age network only", 1)


def test_two_runs_are_equal_whatever_the_batches_and_the_turn(faces: Faces, pictures, cutouts):
    frames = clip(
        *(
            scene((cutouts["obama-2009"], 10 + 20 * i, 20, 0.9), (cutouts["biden-2010"], 330, 20, 0.5 + 0.02 * i))
            for i in range(3)
        )
    )
    people = {"per_obama": "obama-2012", "per_biden": "biden-2010"}
    gallery = registered(faces, pictures, people)
    once = inspect(faces, frames, gallery)
    assert inspect(faces, frames, gallery, batch=1) == once
    assert inspect(faces, frames, registered(faces, pictures, people, seed=None)) == once


def test_frames_may_be_overwritten_after_the_call(faces: Faces, pictures, cutouts):
    gallery = registered(faces, pictures, {"per_obama": "obama-2012"})
    pictures_seen = [scene((cutouts["obama-2010"], 60 + 20 * i, 20, 0.9)) for i in range(3)]
    expected = inspect(faces, clip(*pictures_seen), gallery)
    shared = np.empty_like(pictures_seen[0])
    inspection = faces.open(Subject(duration_ms=3 * STEP_MS, gallery=gallery))
    for i, picture in enumerate(pictures_seen):
        shared[:] = picture
        inspection.see([Frame(index=i, time_ms=i * STEP_MS, pixels=shared)])
        shared[:] = 0
    assert inspection.finish() == expected


def test_no_template_leaves(faces: Faces, pictures, cutouts):
    frames = clip(*[scene((cutouts["obama-2012"], 0, 20, 0.9), (cutouts["collins"], 330, 20, 0.9))] * 2)
    findings = inspect(faces, frames, registered(faces, pictures, {"per_obama": "obama-2009"}))

    def longest(value: object) -> int:
        """The longest row of plain numbers anywhere below; anything that is no plain data fails."""
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list | tuple):
            own = sum(isinstance(each, int | float) for each in value)
            return max([own, *(longest(each) for each in value)])
        assert value is None or isinstance(value, str | int | float)
        return 0

    assert {track.state for track in findings.faces} == {FaceState.MATCHED, FaceState.UNMATCHED}
    assert 0 < longest(dataclasses.asdict(findings)) < 8


@pytest.mark.parametrize("wrong", ["model", "length", "names"])
def test_a_gallery_that_does_not_fit_is_refused(wrong, faces: Faces, pictures):
    gallery = registered(faces, pictures, {"per_obama": "obama-2012"})
    changes = {
        "model": {"model": "another"},
        "length": {"vectors": gallery.vectors[:, :64]},
        "names": {"people": ("a", "b")},
    }
    with pytest.raises(DetectorUnavailable, match="gallery"):
        faces.open(Subject(duration_ms=1, gallery=dataclasses.replace(gallery, **changes[wrong])))


def test_the_self_check_passes(faces: Faces):
    faces.self_check()


class Drifting:
    """A real session whose answers drift, as on a damaged card."""

    def __init__(self, session, factor) -> None:
        self.session, self.factor, self.model = session, factor, session.model

    def run(self, batch):
        if not self.factor:
            raise DetectorError("the card is gone")
        return {name: value * np.float32(self.factor) for name, value in self.session.run(batch).items()}


@pytest.mark.parametrize("part", ["finder", "embedder"])
@pytest.mark.parametrize("factor", [0, 0.8, float("nan")])
def test_the_self_check_notices_a_broken_session(part, factor, faces: Faces):
    networks = {"finder": faces._finder_network, "embedder": faces._embedder_network}
    networks[part] = Drifting(networks[part], factor)
    broken = Faces(networks["finder"], networks["embedder"], faces.ages, lines=Lines(), min_score=0.7, min_height=64)
    with pytest.raises(DetectorUnavailable):
        broken.self_check()


def test_a_network_that_answers_nonsense_is_an_error_and_not_an_empty_frame(faces: Faces, cutouts):
    frames = clip(scene((cutouts["collins"], 100, 20, 1.0)))
    for finder, embedder in (
        (Drifting(faces._finder_network, float("nan")), faces._embedder_network),
        (faces._finder_network, Drifting(faces._embedder_network, float("nan"))),
    ):
        broken = Faces(finder, embedder, faces.ages, lines=Lines(), min_score=0.7, min_height=64)
        with pytest.raises(DetectorError):
            inspect(broken, frames)


class Counted:
    """A real session that counts its runs."""

    def __init__(self, session) -> None:
        self.session, self.model, self.runs = session, session.model, 0

    def run(self, batch):
        self.runs += 1
        return self.session.run(batch)


class CountedAges(AgeReader):
    """A real reader of ages that counts faces."""

    def __init__(self, reader) -> None:
        super().__init__(reader._first, reader._second)
        self.faces = 0

    def read(self, pixels, boxes, points):
        self.faces += len(boxes)
        return super().read(pixels, boxes, points)


@pytest.fixture
def work_of(faces: Faces):
    """How often each network runs for a clip: finder, embedder, ages; and what was found."""

    def count(frames, gallery=None):
        finder, embedder, ages = (
            Counted(faces._finder_network),
            Counted(faces._embedder_network),
            CountedAges(faces.ages),
        )
        counted = Faces(finder, embedder, ages, lines=Lines(), min_score=0.7, min_height=64)
        findings = inspect(counted, frames, gallery)
        return (finder.runs, embedder.runs, ages.faces), findings

    return count


def test_a_face_that_stays_is_read_a_few_times_however_long(work_of, cutouts):
    def lasting(frames):
        return work_of(clip(*(scene((cutouts["obama-2012"], 60 + i, 20, 0.9)) for i in range(frames))))[0]

    short, long_ = lasting(8), lasting(32)
    assert (short[0], long_[0]) == (8, 32)
    # First, last, the best of four stretches, and where the pan changes its look.
    assert max(short[1], long_[1]) <= 10
    assert max(short[2], long_[2]) <= 4


def test_the_work_grows_with_shots_and_faces_and_not_with_their_products(work_of, cutouts):
    names = ("obama-2012", "biden-2010", "collins")

    def shots(count):
        return [
            dataclasses.replace(frame, shot=frame.index // 2)
            for frame in clip(*(scene((cutouts[names[i // 2 % 3]], 100, 20, 1.0)) for i in range(2 * count)))
        ]

    per_shot = [work_of(shots(count))[0] for count in (3, 9)]
    assert per_shot[1] == tuple(3 * runs for runs in per_shot[0])
    one, two = (
        clip(*[scene(*((cutouts[name], x, 20, 0.9) for x, name in faces))] * 3)
        for faces in ([(0, "collins")], [(0, "collins"), (330, "biden-2010")])
    )
    first, both = work_of(one)[0], work_of(two)[0]
    assert both[1:] == (2 * first[1], 2 * first[2])


def test_a_larger_registry_reads_no_face_more(work_of, faces, pictures, cutouts):
    frames = clip(*[scene((cutouts["obama-2012"], 100, 20, 1.0))] * 3)
    small = registered(faces, pictures, {"per_obama": "obama-2009"}, seed=None)
    crowd = np.random.default_rng(1).standard_normal((5000, 128)).astype(np.float32)
    large = dataclasses.replace(
        small,
        people=(*small.people, *(f"per_{i}" for i in range(5000))),
        vectors=np.concatenate([small.vectors, crowd]),
    )
    runs, findings = work_of(frames, small)
    more_runs, same = work_of(frames, large)
    assert runs == more_runs
    assert findings.faces == same.faces


def test_a_distant_face_costs_three_reads_and_none_where_nobody_is_registered(work_of, faces, pictures, cutouts):
    frames = clip(*[scene((cutouts["obama-2012"], 200, 100, 0.3))] * 12)
    assert work_of(frames)[0][1:] == (0, 0)
    assert work_of(frames, registered(faces, pictures, {"per_biden": "biden-2010"}))[0][1:] == (DISTANT_VIEWS, 0)


def test_a_cut_ends_a_track_even_of_the_same_face(faces: Faces, cutouts):
    frames = clip(*[scene((cutouts["collins"], 100, 20, 1.0))] * 4)
    cut = [dataclasses.replace(frame, shot=frame.index // 2) for frame in frames]
    assert [(track.start_ms, track.end_ms) for track in inspect(faces, cut).faces] == [
        (0, 2 * STEP_MS),
        (2 * STEP_MS, 4 * STEP_MS),
    ]


@pytest.mark.parametrize("place", [0, 3, 6])
def test_a_face_flashed_for_one_frame_in_anothers_place_is_matched(place, faces: Faces, pictures, cutouts):
    shown = ["biden-2010"] * 7
    shown[place] = "obama-2012"
    findings = inspect(
        faces,
        clip(*(scene((cutouts[name], 100, 20, 1.0)) for name in shown)),
        registered(faces, pictures, {"per_obama": "obama-2009"}),
    )
    (flashed,) = [track for track in findings.faces if track.matches]
    assert (flashed.state, flashed.start_ms) == (FaceState.MATCHED, place * STEP_MS)
    assert [time for time, _ in flashed.boxes] == [place * STEP_MS]


def test_without_comparing_looks_a_flashed_face_would_be_hidden(monkeypatch, faces: Faces, pictures, cutouts):
    monkeypatch.setattr("detectors.tracking.ALIKE", -1.0)
    shown = [scene((cutouts[name], 100, 20, 1.0)) for name in ("biden-2010", "biden-2010", "obama-2012", "biden-2010")]
    assert len(inspect(faces, clip(*shown)).faces) == 1


def test_clips_in_flight_together_do_not_touch_one_another(faces: Faces, pictures, cutouts):
    gallery = registered(faces, pictures, {"per_obama": "obama-2009", "per_collins": "collins"})
    names = ("obama-2010", "biden-2010", "collins")
    clips = [
        clip(*(scene((cutouts[names[(k + i // 2) % 3]], 60 + 15 * i, 20, 0.8)) for i in range(5))) for k in range(3)
    ]
    alone = [inspect(faces, frames, gallery) for frames in clips]
    for seed in range(3):
        order = np.random.default_rng(seed)
        left = [list(frames) for frames in clips]
        inspections = [faces.open(Subject(duration_ms=5 * STEP_MS, gallery=gallery)) for _ in clips]
        while any(left):
            k = int(order.choice([k for k, frames in enumerate(left) if frames]))
            batch = int(order.integers(1, 4))
            inspections[k].see(left[k][:batch])
            del left[k][:batch]
        assert [inspection.finish() for inspection in inspections] == alone


def test_in_a_gallery_too_large_for_the_model_a_likeness_is_possible_and_the_signal_says_why(faces, pictures, cutouts):
    narrow = Faces(
        faces._finder_network,
        faces._embedder_network,
        faces.ages,
        lines=Lines(largest=1),
        min_score=0.7,
        min_height=64,
    )
    frames = clip(*[scene((cutouts["obama-2012"], 100, 20, 1.0))] * 3)
    people = {"per_obama": "obama-2009", "per_biden": "biden-2010"}
    findings = inspect(narrow, frames, registered(faces, pictures, people))
    (track,) = findings.faces
    assert (track.state, track.matches[0].person) == (FaceState.POSSIBLE, "per_obama")
    assert "2 vectors" in signal(findings, "face.match_distance").note


def test_another_gallery_is_compared_to_the_byte_as_another_look_would(faces: Faces, pictures, cutouts):
    shown = clip(
        *(
            scene((cutouts["obama-2009"], 40 + 20 * i, 20, 0.9), (cutouts["biden-2010"], 340, 30, 0.9))
            for i in range(4)
        ),
        scene((cutouts["obama-2010"], 200, 20, 0.35)),
    )
    first = registered(faces, pictures, {"per_biden": "biden-2010"})
    inspection = faces.open(Subject(duration_ms=2000, gallery=first))
    inspection.see(shown)
    before = inspection.finish()
    names = {"per_biden": "biden-2010", "per_obama": "obama-2012"}
    crowd = registered(faces, pictures, names)
    people = tuple(f"per_{number}" for number in range(150))
    strangers = np.random.default_rng(1).standard_normal((150, 128)).astype(np.float32)
    # The lines fall with the gallery's size: more than new rows may change.
    large = dataclasses.replace(
        crowd, people=crowd.people + people, vectors=np.concatenate([crowd.vectors, strangers]), version="3"
    )
    nobody = dataclasses.replace(first, people=(), vectors=np.empty((0, 128), np.float32))
    for gallery in (crowd, large, nobody, first):
        subject = Subject(duration_ms=2000, gallery=gallery)
        look = faces.open(subject)
        look.see(shown)
        assert inspection.again(subject) == look.finish()
    assert inspection.again(Subject(duration_ms=2000, gallery=crowd)) != before


def test_faces_that_were_passed_over_take_another_look(faces: Faces, pictures, cutouts):
    inspection = faces.open(Subject(duration_ms=STEP_MS))
    inspection.see(clip(scene((cutouts["obama-2010"], 200, 20, 0.35))))
    inspection.finish()
    gallery = registered(faces, pictures, {"per_obama": "obama-2012"})
    assert inspection.again(Subject(duration_ms=STEP_MS, gallery=gallery)) is None
    assert inspection.again(Subject(duration_ms=STEP_MS)) is not None
