"""Whatever happens to a marked file, or to what is known of it, between the mark and the gate: it is not released."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg.types.json import Jsonb

from moderation import intake, marking, release
from moderation.assembly import open_services
from moderation.checking import InlineSteps
from moderation.clips import Submission
from moderation.db.clips import read_clip
from moderation.errors import Conflict
from moderation.pipeline import ATTEMPTS, Json, process_clip
from moderation.samples.drawing import draw_clip
from moderation.services import Services
from moderation.verdicts import read_verdict

ORG = "default"
#: What happens to a clip's delivered file, which a path leads to, and its record.
Blow = Callable[[Services, str, Path], None]


class Meddled(InlineSteps):
    """Carries steps out as `check` does, and strikes once the mark is on."""

    def __init__(self, services: Services, clip: str, blow: Blow) -> None:
        super().__init__(services)
        self.services, self.clip, self.blow, self.done = services, clip, blow, []

    def run(self, step: str, *args: Json) -> Json:
        answer = super().run(step, *args)
        self.done.append(step)
        if step == "mark" and self.done.count("mark") == 1:
            self.blow(self.services, self.clip, delivered(self.services, self.clip))
        return answer


@pytest.fixture
def services(settings, loaded) -> Iterator[Services]:
    with open_services(settings) as opened:
        opened.__dict__["detectors"] = loaded
        yield opened


@pytest.fixture(scope="module")
def drawn_clips(tmp_path_factory) -> tuple[Path, Path]:
    """Two small clips."""
    folder = tmp_path_factory.mktemp("drawn")
    for seed in (1, 2):
        draw_clip(folder / f"{seed}.mp4", seconds=1, width=320, height=180, fps=10, seed=seed)
    return folder / "1.mp4", folder / "2.mp4"


def delivered(services: Services, clip: str) -> Path:
    """Where the marked file of a clip lies."""
    with services.database.transaction(ORG) as tx:
        row = tx.pg.execute("select blob_key from moderation.renditions where clip_id = %s", (clip,)).fetchone()
    return services.settings.state / "blobs" / row[0]


def flip(file: Path, at: int) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)


def unbound(_: Services, __: str, file: Path) -> None:
    """A byte that no signature binds: C2PA leaves out the box that says what sort of file it is."""
    assert file.read_bytes()[4:8] == b"ftyp"
    flip(file, 10)


def bit(_: Services, __: str, file: Path) -> None:
    """A byte of the pictures."""
    flip(file, file.read_bytes().index(b"mdat") + 5000)


def cut(_: Services, __: str, file: Path) -> None:
    """The end of the file."""
    file.write_bytes(file.read_bytes()[:-1000])


def strip(services: Services, clip: str, file: Path) -> None:
    """The upload in place of the marked file, with nothing of ours on it, and recorded as such."""
    with services.database.transaction(ORG) as tx:
        upload = services.settings.state / "blobs" / services.upload_key(read_clip(tx, clip))
    replace_recorded(services, clip, file, upload.read_bytes())


def exchange(services: Services, clip: str, file: Path) -> None:
    """Another clip's marked file, recorded as this one's: another id, another manifest."""
    other = intake.accept_file(
        services, ORG, "tester", services.settings.state / "other.mp4", Submission(creator="ana")
    )
    assert marking.mark(services, ORG, other.clip_id, 1) == "done"
    replace_recorded(services, clip, file, delivered(services, other.clip_id).read_bytes())


def replace_recorded(services: Services, clip: str, file: Path, content: bytes) -> None:
    """Other bytes, with the record of their hash to match."""
    file.write_bytes(content)
    row = (hashlib.sha256(content).hexdigest(), len(content), clip)
    with services.database.transaction(ORG) as tx:
        tx.pg.execute("update moderation.renditions set sha256 = %s, bytes = %s where clip_id = %s", row)


def recorded(**changes: object) -> Blow:
    """Another record of what was marked."""

    def blow(services: Services, clip: str, _: Path) -> None:
        with services.database.transaction(ORG) as tx:
            query = "update moderation.renditions set report = report || %s where clip_id = %s"
            tx.pg.execute(query, (Jsonb(changes), clip))

    return blow


def is_not_released(services: Services, file: Path, blow: Blow, says: str) -> None:
    clip = intake.accept_file(services, ORG, "tester", file, Submission(creator="ana"), runner="check")
    steps = Meddled(services, clip.clip_id, blow)
    process_clip(steps, ORG, clip.clip_id, clip.generation)
    verdict = read_verdict(services, ORG, clip.clip_id)
    # The system is well, for a drawn clip passes: a person is asked, and told what was found.
    assert verdict["status"] == "in_review"
    assert (steps.done.count("mark"), "release" in steps.done) == (ATTEMPTS, False)
    assert says in str(verdict["decision"])
    with services.database.transaction(ORG) as tx:
        assert tx.pg.execute("select count(*) from moderation.releases").fetchone() == (0,)
    with pytest.raises(Conflict):
        release.media(services, ORG, clip.clip_id)


def test_a_byte_that_no_signature_binds_stops_the_release(services, drawn_clips):
    is_not_released(services, drawn_clips[0], unbound, "not what was stored")


@pytest.mark.full
@pytest.mark.parametrize(
    ("blow", "says"),
    [
        (bit, "not what was stored"),
        (cut, "not what was stored"),
        (strip, "c2pa: not_found"),
        (exchange, "the payload is another clip's"),
        (recorded(frames=9, duration_ms=1500), "10 frames instead of 9; media: 1000 ms instead of 1500"),
    ],
)
def test_what_is_broken_or_not_as_recorded_is_not_released(services, drawn_clips, blow, says):
    shutil.copy(drawn_clips[1], services.settings.state / "other.mp4")
    is_not_released(services, drawn_clips[0], blow, says)
