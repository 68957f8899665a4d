"""Which frames are looked at: the floor, each shot, each sudden change however short, and an honest account of the rest."""

import itertools
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from clips import ClipPlan, draw_clip

from watermark.changes import LOOK_AHEAD, changes
from watermark.limits import VideoLimits
from watermark.sampling import SamplingRules, ShotStart, Stretch, Watch
from watermark.sources import decode_frames, open_source
from watermark.thumbnails import GRID, Thumbnailer, cell_side

WIDTH, HEIGHT = 320, 180
RULES = SamplingRules()


def scene(seed: int, number: int = 0, speed: float = 1.0) -> np.ndarray:
    """A textured ground of its own colours with two discs that move, BGR."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 216, (5, 8, 3)).astype(np.uint8)
    picture = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    for disc in range(2):
        start, colour = rng.uniform(0.2, 0.8, 2), rng.integers(0, 256, 3)
        at = (start + 0.15 * np.sin(speed * number / 12 + disc)) * (WIDTH, HEIGHT)
        cv2.circle(picture, (round(at[0]), round(at[1])), 20, tuple(map(int, colour)), -1, cv2.LINE_AA)
    return picture


def write(path: Path, pictures, times_ms=None) -> Path:
    """Encode BGR pictures at 30 frames a second, or at the times given."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=30, width=WIDTH, height=HEIGHT, pix_fmt="yuv420p")
        stream.options = {"preset": "veryfast", "crf": "21"}
        stream.codec_context.time_base = Fraction(1, 90_000)
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "bgr24")
            frame.pts = (times_ms[number] * 90) if times_ms else number * 3000
            frame.time_base = stream.codec_context.time_base
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def look(path: Path, rules: SamplingRules = RULES):
    watch = Watch(rules)
    with open_source(path, VideoLimits()) as source:
        chosen = [(choice.timed.index, choice.shot) for choice in watch.choose(decode_frames(source))]
    return chosen, watch.account()


def indices(chosen) -> list[int]:
    return [index for index, _ in chosen]


def test_a_still_clip_gets_the_floor_and_nothing_else(tmp_path):
    chosen, account = look(write(tmp_path / "a.mp4", [scene(1)] * 90))
    assert chosen == [(0, 0), (15, 0), (30, 0), (45, 0), (60, 0), (75, 0), (89, 0)]
    assert (account.frames, account.unseen_frames, account.unseen) == (90, 0, ())
    assert account.shots == (ShotStart(start_ms=0, shot=0),)


def test_ordinary_motion_costs_little_more_than_the_floor(tmp_path):
    chosen, account = look(write(tmp_path / "a.mp4", [scene(1, n) for n in range(150)]))
    assert set(range(0, 150, 15)) <= set(indices(chosen))
    assert len(chosen) <= 17
    assert account.unseen_frames == 0


def test_one_frame_is_looked_at_once(tmp_path):
    assert look(write(tmp_path / "a.mp4", [scene(1)]))[0] == [(0, 0)]
    assert indices(look(write(tmp_path / "b.mp4", [scene(1), scene(2)]))[0]) == [0, 1]


@pytest.mark.parametrize(("length", "at"), [(1, 1), (1, 33), (1, 77), (2, 7), (3, 7), (3, 77), (7, 33), (12, 2)])
def test_an_insert_of_any_length_is_looked_at_and_the_shot_goes_on(tmp_path, length, at):
    """From the second frame of the clip on: `at` never falls on the floor's own frames."""
    pictures = [scene(2, n) if at <= n < at + length else scene(1, n) for n in range(90)]
    chosen, account = look(write(tmp_path / "a.mp4", pictures))
    seen = [(index, shot) for index, shot in chosen if at <= index < at + length]
    assert seen
    assert {shot for _, shot in seen} == {1}
    assert {shot for index, shot in chosen if not at <= index < at + length} == {0}
    assert [(start.start_ms, start.shot) for start in account.shots[1:]] == [
        (round(at * 1000 / 30), 1),
        (round((at + length) * 1000 / 30), 0),
    ]
    assert account.unseen_frames == 0


def test_an_insert_is_missed_when_no_change_counts(tmp_path):
    pictures = [scene(2 if n == 33 else 1, n) for n in range(90)]
    path = write(tmp_path / "a.mp4", pictures)
    blind = SamplingRules(part_change=10_000, whole_change=10_000, whole_share=2.0)
    assert 33 in indices(look(path)[0])
    assert 33 not in indices(look(path, blind)[0])


def half(picture, other):
    picture[:, : WIDTH // 2] = other[:, : WIDTH // 2]


def small(picture, other):
    picture[100:124, 60:84] = other[60:84, 60:84]


def faint(picture, other):
    picture[...] = cv2.addWeighted(picture, 0.75, other, 0.25, 0)


def tinted(picture, other):
    """Another picture's colours in this picture's brightness."""
    mixed, colours = cv2.cvtColor(picture, cv2.COLOR_BGR2YCrCb), cv2.cvtColor(other, cv2.COLOR_BGR2YCrCb)
    mixed[:, :, 1:] = colours[:, :, 1:]
    picture[...] = cv2.cvtColor(mixed, cv2.COLOR_YCrCb2BGR)


@pytest.mark.parametrize("insert", [half, small, faint, tinted])
def test_parts_and_faint_pictures_count_too(tmp_path, insert):
    pictures = [scene(1, n) for n in range(60)]
    insert(pictures[37], scene(5))
    chosen, account = look(write(tmp_path / "a.mp4", pictures))
    assert 37 in indices(chosen)
    assert len(chosen) <= 10
    assert account.unseen_frames == 0


def test_decoys_around_an_insert_do_not_cover_it(tmp_path):
    pictures = [scene(1, n) for n in range(60)]
    for number in range(34, 41):
        pictures[number] = scene(100 + number)
    chosen, _ = look(write(tmp_path / "a.mp4", pictures))
    assert set(range(34, 41)) <= set(indices(chosen))


def test_every_shot_is_looked_at_and_numbered(tmp_path):
    lengths = [40, 5, 1, 2, 9, 30, 3, 20]
    shots = [shot for shot, length in enumerate(lengths) for _ in range(length)]
    chosen, account = look(write(tmp_path / "a.mp4", [scene(10 + shot, n) for n, shot in enumerate(shots)]))
    assert {shots[index] for index, _ in chosen} == set(range(len(lengths)))
    assert all(shots[index] == shot for index, shot in chosen)
    starts = [round(sum(lengths[:shot]) * 1000 / 30) for shot in range(len(lengths))]
    assert [(start.start_ms, start.shot) for start in account.shots] == list(zip(starts, range(8), strict=True))
    assert account.unseen_frames == 0


def test_the_floor_counts_from_the_start_of_each_shot(tmp_path):
    pictures = [scene(1 if n < 40 else 2) for n in range(80)]
    assert indices(look(write(tmp_path / "a.mp4", pictures))[0]) == [0, 15, 30, 40, 55, 70, 79]


def test_no_half_second_of_a_shot_goes_by_without_a_look(tmp_path):
    rng = np.random.default_rng(4)
    inserts = set(rng.integers(1, 150, 12).tolist())
    pictures = [scene(50 + n if n in inserts else 1, n) for n in range(150)]
    chosen, _ = look(write(tmp_path / "a.mp4", pictures))
    main = [index for index, _ in chosen if index not in inserts]
    assert max(after - before for before, after in itertools.pairwise(main)) <= 16
    assert inserts <= set(indices(chosen))


def test_a_fade_raises_no_alarm_and_its_end_is_seen(tmp_path):
    first, second = scene(1), scene(2)
    pictures = [
        cv2.addWeighted(first, 1 - share, second, share, 0) for share in np.clip((np.arange(90) - 30) / 20, 0, 1)
    ]
    chosen, account = look(write(tmp_path / "a.mp4", pictures))
    assert account.unseen_frames == 0
    assert len(chosen) <= 12
    assert any(index >= 50 for index in indices(chosen)[:-1])


def test_a_short_fade_is_looked_at_where_it_shows_most(tmp_path):
    shares = {40: 0.33, 41: 0.66, 42: 1.0, 43: 0.5}
    pictures = [cv2.addWeighted(scene(1), 1 - shares.get(n, 0), scene(2), shares.get(n, 0), 0) for n in range(80)]
    assert 42 in indices(look(write(tmp_path / "a.mp4", pictures))[0])


@pytest.mark.parametrize("length", [1, 2])
def test_a_picture_between_black_and_white_is_no_fade(tmp_path, length):
    black, white = np.full((HEIGHT, WIDTH, 3), 4, np.uint8), np.full((HEIGHT, WIDTH, 3), 250, np.uint8)
    pictures = [black] * 37 + [scene(3)] * length + [white] * 20
    chosen, _ = look(write(tmp_path / "a.mp4", pictures))
    assert set(indices(chosen)) & set(range(37, 37 + length))


def test_a_flashing_light_is_looked_at_once_and_the_same_afterwards_is_known(tmp_path):
    white = np.full((HEIGHT, WIDTH, 3), 240, np.uint8)
    pictures = [white if n % 3 == 0 and 20 < n < 80 else scene(1) for n in range(100)]
    chosen, account = look(write(tmp_path / "a.mp4", pictures))
    assert len(chosen) <= 16
    assert account.unseen_frames == 0


def test_a_clip_of_nothing_but_cuts_keeps_to_the_budget_and_says_so(tmp_path):
    pictures = [scene(n) for n in range(150)]
    chosen, account = look(write(tmp_path / "a.mp4", pictures))
    seconds = 5
    most = 2 * seconds + 1 + RULES.extra_per_second * (seconds + 1)
    assert len(chosen) <= most
    missed = {n for n in range(150) if n not in indices(chosen)}
    # Pictures that are alike by chance, or stand between their neighbours, are the few that are not reported.
    assert len(missed) * 0.9 <= account.unseen_frames <= len(missed)
    told = {n for n in range(150) for at in account.unseen if at.first_ms <= round(n * 1000 / 30) <= at.last_ms}
    assert len(told) == account.unseen_frames
    assert told <= missed


def test_the_budget_in_all_holds_for_the_whole_clip(tmp_path):
    rules = SamplingRules(extra_in_all=5)
    pictures = [scene(100 + n if n % 20 == 7 else 1) for n in range(240)]
    chosen, account = look(write(tmp_path / "a.mp4", pictures), rules)
    assert [n for n in indices(chosen) if n % 20 == 7] == [7, 27, 47, 67, 87]
    assert account.unseen[0] == Stretch(first_ms=3567, last_ms=3567)
    assert account.unseen_frames == 7


def test_what_stays_until_a_later_look_was_not_missed(tmp_path):
    rules = SamplingRules(extra_in_all=1)
    pictures = [scene(1 if n < 20 else 2 if n < 50 else 3) for n in range(90)]
    chosen, account = look(write(tmp_path / "a.mp4", pictures), rules)
    assert {1 if n < 20 else 2 if n < 50 else 3 for n in indices(chosen)} == {1, 2, 3}
    assert account.unseen_frames == 0


def test_much_motion_gets_looks_between_those_of_the_floor(tmp_path):
    wide = cv2.resize(scene(3), (4 * WIDTH, HEIGHT))
    pictures = [wide[:, 6 * n : 6 * n + WIDTH] for n in range(150)]
    chosen, account = look(write(tmp_path / "a.mp4", pictures))
    assert len(chosen) > 13
    assert account.unseen_frames == 0


def test_a_variable_rate_is_judged_by_time(tmp_path):
    times = [0, 20, 100, 400, 410, 430, 1500, 1510, 3000, 3033]
    pictures = [scene(2 if n == 4 else 1) for n in range(len(times))]
    chosen, account = look(write(tmp_path / "a.mp4", pictures, times))
    assert [times[n] for n in indices(chosen)] == [0, 410, 1500, 3000, 3033]
    assert account.frames == len(times)


def test_the_same_file_gives_the_same_choice(tmp_path):
    rng = np.random.default_rng(9)
    pictures = [scene(int(rng.integers(4)), n) if n % 11 == 0 else scene(1, n, 4) for n in range(120)]
    path = write(tmp_path / "a.mp4", pictures)
    assert look(path) == look(path)


@pytest.mark.parametrize("plan", [ClipPlan(pix_fmt="yuv420p10le"), ClipPlan(pix_fmt="yuv422p"), ClipPlan(pix_fmt="yuv444p", width=321, height=239), ClipPlan(codec="prores_ks", pix_fmt="yuv422p10le", options=()), ClipPlan(width=16, height=16)])  # fmt: skip
def test_thumbnails_of_other_layouts_show_the_same(tmp_path, plan):
    first = Thumbnailer()
    with open_source(draw_clip(tmp_path / "a.mov", plan), VideoLimits()) as source:
        shown = first.make(next(decode_frames(source)).frame)
    plain = ClipPlan(width=plan.width // 2 * 2, height=plan.height // 2 * 2)
    with open_source(draw_clip(tmp_path / "b.mov", plain), VideoLimits()) as source:
        wanted = Thumbnailer().make(next(decode_frames(source)).frame)
    rows, columns = min(shown.shape[0], wanted.shape[0]), min(shown.shape[1], wanted.shape[1])
    assert shown.shape[1] <= GRID
    assert abs(shown.shape[0] - wanted.shape[0]) <= 3
    if shown.shape == wanted.shape:
        assert np.abs(shown[:rows, :columns].astype(int) - wanted[:rows, :columns]).mean() < 4


@pytest.mark.parametrize(("width", "height"), [(4096, 16), (16, 4096), (3840, 8), (2, 4096), (2, 2)])
def test_the_thinnest_picture_has_a_thumbnail(width, height):
    """The door takes sides of 16; a cell of 4096 is 64 high, and every 16th row of it is read."""
    planes = np.full((height * 3 // 2, width), 128, np.uint8)
    planes[:height] = 200
    thumbnail = Thumbnailer().make(av.VideoFrame.from_ndarray(planes, "yuv420p"))
    rows = len(thumbnail) // 3
    assert (thumbnail[:rows] == 200).all()
    assert (thumbnail[rows:] == 128).all()


def test_cells_are_even_and_no_more_than_the_grid():
    for width, height in ((1280, 720), (720, 1280), (854, 480), (1920, 1080), (16, 16), (4096, 2304)):
        side = cell_side(width, height)
        assert side % 2 == 0
        assert max(width, height) // side <= GRID


def test_only_so_many_frames_are_held():
    thumbnail = np.zeros((3 * 36, GRID), np.uint8)
    drawn = []

    def source():
        for number in range(100):
            drawn.append(number)
            yield number, thumbnail

    for change in changes(source()):
        assert len(drawn) - change.item <= LOOK_AHEAD + 1
    assert drawn == list(range(100))


def test_choosing_costs_less_than_half_a_millisecond_a_frame():
    rng = np.random.default_rng(0)
    frame = av.VideoFrame.from_ndarray(rng.integers(16, 235, (1080, 1280), np.uint8), "yuv420p")
    assert (frame.width, frame.height) == (1280, 720)
    thumbnails = Thumbnailer()
    spent = []
    for _ in range(5):
        began = time.thread_time()
        list(changes((n, thumbnails.make(frame)) for n in range(60)))
        spent.append((time.thread_time() - began) / 60)
    assert min(spent) < 0.0005
