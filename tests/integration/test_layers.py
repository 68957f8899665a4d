"""Additional layers through the whole border: chosen, put on beside our own mark, demanded by the gate, read by verify."""

import re
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from clips import ClipPlan, draw_clip

from detectors.packs import build_optional
from moderation import layering
from moderation.cli import running
from moderation.errors import ClipFault, Outage
from moderation.marks import LayerFailed, mark_pictures, prove_marks, read_named, unread
from moderation.samples.drawing import draw_clip as draw_sample
from moderation.sandbox import MarkOrder, Sandbox
from moderation.sandbox.orders import LayerOrder
from moderation.settings import Limits, Settings, Verifying
from watermark.authority import open_authority
from watermark.credentials import Signer, Trust, sign
from watermark.layers import FOUND
from watermark.manifest import ManifestSpec
from watermark.patience import Patience
from watermark.payload import Payload
from watermark.reading import Expectation, Layer, LayerState
from watermark.visible import VisibleSpec
from watermark.writing import Encoding

KEY = bytes(range(32))
MARK = 0xABCDEF012345
CLIP = "clip_0193b0"
PAYLOAD = Payload(mark_id=MARK, key_version=1)
OTHER = Payload(mark_id=MARK ^ 1, key_version=1)
VISIBLE = VisibleSpec(platform="Countersign", creator="zoë", locale="en", mark_id=MARK, key=KEY)
FRAMES = 60

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "add-a-mark.md"
#: The plug-in that the how-to shows: each bit turns the sign of a pattern of its own over the whole picture.
PLUGIN = re.search(r"```python\n(.*?)```", HOWTO.read_text(), re.DOTALL)[1]


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a layer on the path the way an installed distribution would be."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def put(name: str, source: str) -> None:
        module = f"layer_of_{name}_{tmp_path.name.replace('-', '_')}"
        (tmp_path / f"{module}.py").write_text(source)
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[countersign.marks]\n{name} = {module}:build\n")
        monkeypatch.delitem(sys.modules, module, raising=False)

    return put


def choosing(*names: str) -> Settings:
    settings = Settings()
    return settings.model_copy(update={"marking": settings.marking.model_copy(update={"layers": names})})


def test_a_plugin_joins_under_its_own_name_once_it_read_itself(install):
    install("patterns", PLUGIN)
    assert [layer.name for layer in layering.open_layers(choosing("patterns"))] == ["patterns"]
    assert layering.open_layers(choosing()) == ()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import no_such_module", r"plug-in patterns .*no_such_module"),
        ("def build(equipment): raise RuntimeError('no licence')", r"layer patterns .*no licence"),
        (PLUGIN.replace('"patterns"', '"other"'), r"layer patterns .*'other'"),
        (PLUGIN.replace("* 0.6", "* 0"), r"layer patterns .*its own word"),
        (PLUGIN.replace("pictures.shape)", "(1, 64, 64, 3))"), r"layer patterns .*draws"),
    ],
)
def test_a_chosen_layer_that_is_not_able_stops_the_start_by_name(install, source, said):
    install("patterns", source)
    with pytest.raises(Outage, match=said):
        layering.open_layers(choosing("patterns"))
    assert layering.open_layers(choosing()) == ()


def test_a_layer_that_is_not_there_or_there_twice_stops_the_start(install):
    with pytest.raises(Outage, match="no layer celsl"):
        layering.factories(choosing("celsl"))
    with pytest.raises(Outage, match="twice"):
        layering.factories(choosing("rivagan", "rivagan"))
    install("rivagan", PLUGIN)
    with pytest.raises(Outage, match="rivagan is there twice"):
        layering.factories(choosing("rivagan"))


def test_a_worker_that_marks_does_not_start_without_a_chosen_layer(monkeypatch, tmp_path):
    monkeypatch.setenv("MODERATION_MARKING__LAYERS", '["celsl"]')
    monkeypatch.setenv("MODERATION_STATE", str(tmp_path / "state"))
    with pytest.raises(Outage, match="no layer celsl"):
        running.worker(queues="render")
    assert not (tmp_path / "state").exists()


def test_the_shipped_layer_says_how_to_get_its_weights(tmp_path):
    settings = choosing("rivagan").model_copy(update={"models": tmp_path})
    with pytest.raises(Outage, match=r"rivagan.*models build. --pack marks"):
        layering.open_layers(settings)
    assert layering.packs_of_layers(settings) == ("marks",)
    assert layering.packs_of_layers(choosing("patterns")) == ()


@dataclass
class Parts:
    """What marking and proving ask of the services."""

    sandbox: Sandbox
    settings: Settings
    trust: Trust
    mark_layers: tuple = ()
    mark_keys: dict = field(default_factory=lambda: {1: KEY})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("layers")


@pytest.fixture(scope="module")
def authority(folder):
    return open_authority(folder / "authority", now=datetime.now(UTC))


@pytest.fixture(scope="module")
def sandbox(folder):
    with Sandbox(Limits(), folder=folder / "airlocks") as made:
        yield made


@pytest.fixture
def parts(sandbox, authority, install):
    install("patterns", PLUGIN)
    settings = choosing("patterns")
    return Parts(
        sandbox=sandbox,
        settings=settings,
        trust=Trust(own_pem=authority.root_pem),
        mark_layers=layering.open_layers(settings),
    )


@pytest.fixture(scope="module")
def upload(folder):
    return draw_clip(folder / "upload.mp4", ClipPlan(width=480, height=360, frames=FRAMES, fps=30, texture=6.0))


ORDER = MarkOrder(payload=PAYLOAD, key=KEY, visible=VISIBLE, encoding=Encoding())


def signed(authority, marked: Path) -> Path:
    spec = ManifestSpec(
        clip_id=CLIP,
        mark_id=MARK,
        soft_binding="org.countersign.tss.1",
        provider="Countersign",
        system="Countersign Gate",
        version="0",
        created_at=datetime.now(UTC),
    )
    target = marked.with_name("signed.mp4")
    sign(marked, target, spec, Signer(sign=authority.sign, chain_pem=authority.chain_pem))
    return target


def expectation(report) -> Expectation:
    return Expectation(
        clip_id=CLIP,
        mark_id=MARK,
        key_version=1,
        visible=VISIBLE,
        duration_ms=report["duration_ms"],
        frames=report["frames"],
        audio=False,
    )


def test_a_chosen_layer_is_put_on_recorded_and_proven_and_one_that_is_missing_holds_the_clip(
    parts, authority, upload, tmp_path
):
    report = mark_pictures(parts, upload, tmp_path / "marked.mp4", ORDER)
    assert report["layers"] == [{"name": "patterns", "version": "1", "bits": 64, "every": 4}]
    assert report["cpu_seconds_by_stage"]["layers"] > 0
    assert not list(tmp_path.glob("*.residuals"))
    delivered = signed(authority, tmp_path / "marked.mp4")
    proof = prove_marks(parts, delivered, expectation(report))
    assert proof.passed, (proof.failures, proof.layers["patterns"])
    assert proof.layers["patterns"].details["agreeing"] > 56
    assert type(proof).from_json(proof.to_json()) == proof

    assert said_of(parts, delivered, PAYLOAD).state is LayerState.FOUND
    assert said_of(parts, delivered, OTHER).state is LayerState.NOT_FOUND
    assert said_of(parts, delivered, Payload(mark_id=MARK, key_version=2)).state is LayerState.NOT_CHECKED

    # The same clip without the layer: everything else is right, and yet it is not let out.
    bare = Parts(parts.sandbox, choosing(), parts.trust)
    report = mark_pictures(bare, upload, tmp_path / "marked.mp4", ORDER)
    assert report["layers"] == []
    delivered = signed(authority, tmp_path / "marked.mp4")
    assert prove_marks(bare, delivered, expectation(report)).passed
    proof = prove_marks(parts, delivered, expectation(report))
    assert not proof.passed
    assert proof.failures == ("patterns: not_found",)


def said_of(parts, path: Path, payload: Payload, clock=time.monotonic, **bounds: float) -> Layer:
    budget = Verifying(**bounds).budget()
    return read_named(parts, path, payload, Patience(budget, clock=clock))["patterns"]


def test_a_layer_that_does_not_fit_the_look_is_not_checked_and_never_not_found(parts, upload):
    layer, listened = parts.mark_layers[0], []

    def slow(pictures: np.ndarray) -> np.ndarray:
        listened.append(len(pictures))
        return listen(pictures)

    listen, layer.listen = layer.listen, slow
    try:
        # Ten seconds go by with every batch; an unmarked copy is listened to in two views at the least.
        late = said_of(parts, upload, OTHER, clock=lambda: 10.0 * len(listened), layer_seconds=5.0)
        heard = len(listened)
        unasked = said_of(parts, upload, OTHER, layer_seconds=0.0)
        beyond = said_of(parts, upload, OTHER, wall_seconds=1e-9)
    finally:
        layer.listen = listen
    assert heard == len(listened) == 1
    for layer_said in (late, unasked, beyond):
        assert (layer_said.state, layer_said.details) == (LayerState.NOT_CHECKED, {"reason": "budget"})


def test_a_layer_that_fails_marks_nothing_and_proves_nothing(parts, authority, upload, tmp_path):
    able = parts.mark_layers[0]

    def broken(*_: object) -> np.ndarray:
        raise RuntimeError("no memory on the card")

    failing = SimpleNamespace(name="patterns", version="1", bits=64, side=64, every=4, draw=broken, listen=broken)
    with pytest.raises(LayerFailed, match="no memory on the card"):
        mark_pictures(Parts(parts.sandbox, parts.settings, parts.trust, (failing,)), upload, tmp_path / "m.mp4", ORDER)
    assert not (tmp_path / "m.mp4").exists()
    failing.draw = lambda pictures, _: np.zeros((len(pictures), 8, 8, 3), np.float32)
    with pytest.raises(LayerFailed, match="draws"):
        mark_pictures(Parts(parts.sandbox, parts.settings, parts.trust, (failing,)), upload, tmp_path / "m.mp4", ORDER)

    report = mark_pictures(parts, upload, tmp_path / "marked.mp4", ORDER)
    failing.draw = able.draw
    deaf = Parts(parts.sandbox, parts.settings, parts.trust, (failing,))
    proof = prove_marks(deaf, signed(authority, tmp_path / "marked.mp4"), expectation(report))
    assert not proof.passed
    assert proof.layers["patterns"].state is LayerState.NOT_CHECKED
    assert "no memory on the card" in proof.failures[0]


def test_residuals_that_end_too_early_mark_nothing(parts, upload, tmp_path):
    short = tmp_path / "short.residuals"
    short.write_bytes(bytes(64 * 64 * 3))
    order = MarkOrder(
        payload=PAYLOAD, key=KEY, visible=VISIBLE, encoding=Encoding(), layers=(LayerOrder(side=64, every=4),)
    )
    with pytest.raises(ClipFault, match="no residual for frame 4"):
        parts.sandbox.mark(upload, tmp_path / "m.mp4", order, [short])
    with pytest.raises(ClipFault):
        parts.sandbox.mark(upload, tmp_path / "m.mp4", order)
    assert not (tmp_path / "m.mp4").exists()


def test_where_no_mark_names_a_clip_no_layer_is_checked(parts):
    assert {name: layer.state for name, layer in unread(parts).items()} == {"patterns": LayerState.NOT_CHECKED}


@pytest.mark.full
def test_the_shipped_layer_and_our_own_mark_are_both_read_off_a_copy(sandbox, authority, tmp_path):
    upload = tmp_path / "drawn.mp4"
    draw_sample(upload, seconds=1, width=1280, height=720)
    settings = choosing("rivagan")
    build_optional(settings.models, layering.PACK, progress=print)
    parts = Parts(sandbox, settings, Trust(own_pem=authority.root_pem), layering.open_layers(settings))
    report = mark_pictures(parts, upload, tmp_path / "marked.mp4", ORDER)
    proof = prove_marks(parts, signed(authority, tmp_path / "marked.mp4"), expectation(report))
    assert proof.passed, proof
    assert proof.layers["invisible"].state is LayerState.FOUND
    assert proof.layers["rivagan"].details["chance"] <= FOUND
