"""The visible mark of a stored clip: settled with the boxes that are known, kept, and found again by the gate."""

import json
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
from psycopg.types.json import Jsonb

from moderation import intake, marking, release
from moderation.assembly import open_services
from moderation.clips import Clip, Submission
from moderation.db import queries
from moderation.errors import ClipFault, Conflict, Outage, Unprocessable
from moderation.samples.drawing import draw_clip
from moderation.services import Services
from moderation.settings import ImplicitLabelSettings, Marking, StartLabelSettings
from watermark.limits import VideoLimits
from watermark.rewriting import Encoding
from watermark.rewriting import rewrite as rewrite_pictures

ORG, SQL = "default", queries("records")
#: What every MP4 says of its own format.
CONTAINER = {"major_brand", "minor_version", "compatible_brands"}
#: A caption over the lower half.
ANALYSIS = {"faces": [], "texts": [{"box": [0.0, 0.5, 1.0, 0.5]}], "seen_ms": [0, 900]}


@pytest.fixture
def services(settings, lend_decoders) -> Iterator[Services]:
    with open_services(settings) as opened, lend_decoders(opened):
        yield opened


@pytest.fixture(scope="module")
def clip_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("drawn") / "drawn.mp4"
    draw_clip(path, seconds=2, width=426, height=240, fps=15)
    return path


def marked(services: Services, path: Path, analysis: dict[str, object] | None = None, **said: object) -> Clip:
    clip = intake.accept_file(services, ORG, "tester", path, Submission(**({"creator": "ana"} | said)))
    if analysis is not None:
        row = {"org": ORG, "clip": clip.clip_id, "detectors": "d", "gallery": "g", "body": json.dumps(analysis)}
        with services.database.transaction(ORG) as tx:
            tx.pg.execute(SQL.insert_analysis, {**row, "now": services.clock.now()})
    assert marking.mark(services, ORG, clip.clip_id, 1) == "done"
    return clip


def report_of(services: Services, clip: Clip) -> dict[str, object]:
    with services.database.transaction(ORG) as tx:
        return tx.pg.execute(SQL.rendition, {"clip": clip.clip_id, "kind": "marked"}).fetchone()[3]


def rewrite(services: Services, clip: Clip, **visible: object) -> None:
    report = report_of(services, clip)
    report["visible"] |= visible
    with services.database.transaction(ORG) as tx:
        tx.pg.execute("update moderation.renditions set report = %s where clip_id = %s", (Jsonb(report), clip.clip_id))


def visible_of(services: Services, clip: Clip) -> dict[str, object]:
    with services.database.transaction(ORG) as tx:
        row = tx.pg.execute("select body from moderation.proofs where clip_id = %s", (clip.clip_id,)).fetchone()
    return row[0]["layers"]["visible"]


def test_boxes_that_are_known_are_kept_with_the_rendition_and_re_derived(services, clip_file):
    clip = marked(services, clip_file, ANALYSIS)
    (grid,) = report_of(services, clip)["visible"]["avoid"]
    assert grid.startswith("0" * 28)
    assert grid.endswith("f" * 36)
    assert release.prove(services, ORG, clip.clip_id, 1) == "proven"
    # Whatever later settings say, the record of what was drawn is what the gate looks for.
    services.settings.marking.platform_name = "Renamed"
    assert release.prove(services, ORG, clip.clip_id, 1) == "proven"


def test_without_a_look_the_mark_stands_where_it_likes(services, clip_file):
    clip = marked(services, clip_file, creator="小明")
    said = report_of(services, clip)["visible"]
    assert (said["avoid"], said["start"], said["handle"]) == ([], None, "left_out")
    assert release.prove(services, ORG, clip.clip_id, 1) == "proven"


def test_a_market_s_start_label_is_drawn_and_proven_and_missed_when_it_is_not_there(services, clip_file):
    clip = marked(services, clip_file, market="FR")
    assert release.prove(services, ORG, clip.clip_id, 1) == "proven"
    assert visible_of(services, clip)["details"]["start_label"] == "found"
    bare = marked(services, clip_file)
    rewrite(services, bare, start={"text": "AI GENERATED", "until_ms": 2500})
    with pytest.raises(Exception, match=r"visible: (damaged|not_found)"):
        release.prove(services, ORG, bare.clip_id, 1)
    assert visible_of(services, bare)["details"]["start_label"] == "not_found"


@pytest.fixture
def for_china(services) -> Services:
    """A service whose clips for China can be labelled, by a producer with a code."""
    labels = {"CN": StartLabelSettings(text="AI", seconds=2)}
    implicit = ImplicitLabelSettings(producer="001191110102MAD55U9H0F10002", propagator="一个平台")
    services.settings.marking = Marking(start_labels=labels, implicit_label=implicit)
    return services


def delivered(services: Services, clip: Clip) -> dict[str, str]:
    """What the metadata of the delivered container say of the clip."""
    with services.database.transaction(ORG) as tx:
        key = tx.pg.execute(SQL.rendition, {"clip": clip.clip_id, "kind": "marked"}).fetchone()[1]
    with services.store.open(key) as path, av.open(str(path)) as opened:
        return {name: value for name, value in opened.metadata.items() if name not in CONTAINER}


def test_a_clip_for_china_carries_the_implicit_label_and_is_proven_to(for_china, clip_file):
    clip = marked(for_china, clip_file, market="CN", creator="zhang_wei", prompt="Zhang Wei walks", title="A walk")
    held = delivered(for_china, clip)
    assert list(held) == ["AIGC"]
    assert json.loads(held["AIGC"]) == {
        "Label": "1",
        "ContentProducer": "001191110102MAD55U9H0F10002",
        "ProduceID": clip.clip_id,
        "ReservedCode1": "",
        "ContentPropagator": "一个平台",
        "PropagateID": clip.clip_id,
        "ReservedCode2": "",
    }
    assert release.prove(for_china, ORG, clip.clip_id, 1) == "proven"
    # What is in the file is compared with its record, not with later settings.
    for_china.settings.marking.implicit_label.producer = "renamed"
    assert release.prove(for_china, ORG, clip.clip_id, 1) == "proven"


def test_a_clip_for_elsewhere_carries_none_and_keeps_none_of_its_own(for_china, clip_file, tmp_path):
    claimed = tmp_path / "claimed.mp4"
    rewrite_pictures(
        clip_file, claimed, lambda _: (), encoding=Encoding(), limits=VideoLimits(), tags={"AIGC": '{"Label":"1"}'}
    )
    clip = marked(for_china, claimed, market="FR")
    assert delivered(for_china, clip) == {}
    assert report_of(for_china, clip)["label"] is None
    assert release.prove(for_china, ORG, clip.clip_id, 1) == "proven"


@pytest.mark.parametrize(
    ("market", "recorded", "says"),
    [
        ("FR", '{"Label":"1"}', "media: the implicit label is missing"),
        ("CN", '{"Label":"1"}', "media: there is another implicit label"),
        ("CN", None, "media: there is another implicit label"),
    ],
)
def test_a_file_without_its_implicit_label_is_not_released(for_china, clip_file, market, recorded, says):
    clip = marked(for_china, clip_file, market=market)
    report = report_of(for_china, clip) | {"label": recorded}
    with for_china.database.transaction(ORG) as tx:
        tx.pg.execute("update moderation.renditions set report = %s where clip_id = %s", (Jsonb(report), clip.clip_id))
    with pytest.raises(ClipFault, match=says):
        release.prove(for_china, ORG, clip.clip_id, 1)
    with pytest.raises(Conflict), for_china.database.transaction(ORG) as tx:
        release.proven_rendition(tx, clip.clip_id)


def test_what_cannot_be_labelled_is_refused_at_the_door_and_nothing_is_kept(services, clip_file):
    with pytest.raises(Unprocessable, match="CN"):
        intake.accept_file(services, ORG, "tester", clip_file, Submission(market="CN"))
    with pytest.raises(Unprocessable, match="CN"):
        intake.accept_url(services, ORG, "tester", "https://example.org/a.mp4", Submission(market="CN"))
    with services.database.system_transaction() as tx:
        assert tx.pg.execute("select count(*) from moderation.clips").fetchone() == (0,)


def test_a_deployment_that_cannot_draw_its_labels_does_not_start(settings):
    settings.marking = Marking(markets=("CN",))
    with pytest.raises(Outage, match="start label of CN"), open_services(settings):
        pass
