"""Signing and reading C2PA credentials: what is trusted, what is not, and who may sign."""

import hashlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import c2pa
import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from watermark import credentials
from watermark.attestation import TEXT_LIMIT, interpret
from watermark.authority import Authority, open_authority
from watermark.credentials import CredentialsState, Signer, SignerFailed, SigningFailed, Trust, read, report, sign
from watermark.jumbf import MANIFEST_BOX
from watermark.manifest import MINING_USES, ManifestSpec, definition

MARK = 0x0123456789AB
NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001 - refused for just that


def test_a_signed_clip_is_trusted_and_names_itself(signed: Path, trust: Trust):
    reading = read(signed, trust)
    assert reading.state is CredentialsState.TRUSTED
    assert reading.ours
    assert reading.intact
    assert (reading.clip_id, reading.mark_id) == ("clip_0193b0", MARK)
    assert reading.soft_binding == "org.countersign.tss.1"
    assert (reading.provider, reading.system, reading.system_version) == ("Example Platform", "Example Video", "7")
    assert reading.created_at == "2026-11-21T12:30:00Z"
    assert reading.generator == "Countersign/1.2.3"
    assert reading.issuer == "Countersign development"
    assert reading.timestamp is None
    assert (reading.failures, reading.error) == ((), None)


def test_the_manifest_says_what_the_law_asks(spec: ManifestSpec):
    said = {item["label"]: item["data"] for item in definition(spec)["assertions"]}  # type: ignore[attr-defined]
    created, bound = said["c2pa.actions.v2"]["actions"]
    assert created["action"] == "c2pa.created"
    assert created["digitalSourceType"].endswith("/trainedAlgorithmicMedia")
    assert bound["action"] == "c2pa.watermarked.bound"
    assert said["c2pa.soft-binding"]["blocks"] == [{"scope": {}, "value": "0123456789ab"}]
    assert said["cawg.training-mining"]["entries"] == {use: {"use": "notAllowed"} for use in MINING_USES}
    assert set(said["org.countersign.provenance"]) == {"provider", "system", "version", "time", "id"}
    allowed = definition(replace(spec, mining_allowed=True))["assertions"][2]  # type: ignore[index]
    assert {entry["use"] for entry in allowed["data"]["entries"].values()} == {"allowed"}


def test_generator_and_pseudonyms_are_signed_and_trusted(clip, spec, signer, trust, tmp_path: Path):
    said = replace(spec, generator="Example Model 3", consents=("0f" * 16, "a1" * 16))
    sign(clip, tmp_path / "out.mp4", said, signer)
    assert read(tmp_path / "out.mp4", trust).ours
    store = report(tmp_path / "out.mp4", trust)
    active = store["manifests"][store["active_manifest"]]
    found = {item["label"]: item["data"] for item in active["assertions"]}
    assert found["org.countersign.consent"] == {"references": ["0f" * 16, "a1" * 16]}
    assert found["c2pa.actions.v2"]["actions"][0]["softwareAgent"]["name"] == "Example Model 3"
    assert "org.countersign.consent" not in {item["label"] for item in definition(spec)["assertions"]}


@pytest.mark.parametrize("broken", [{"mark_id": 1 << 48}, {"mark_id": -1}, {"created_at": NAIVE}])
def test_a_spec_that_cannot_be_true_is_refused(spec: ManifestSpec, broken: dict[str, object]):
    with pytest.raises(ValueError, match=r"does not fit|time zone"):
        definition(replace(spec, **broken))  # type: ignore[arg-type]


def test_the_report_is_of_the_very_manifest(clip: Path, spec: ManifestSpec, signer: Signer, trust: Trust, tmp_path):
    report = sign(clip, tmp_path / "out.mp4", spec, signer)
    assert report.manifest_sha256 == hashlib.sha256(report.manifest).hexdigest()
    assert report.manifest in (tmp_path / "out.mp4").read_bytes()
    assert report.manifest_id == read(tmp_path / "out.mp4", trust).manifest_id
    assert report.instance_id.startswith("xmp.iid:")
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_signing_leaves_the_frames_alone(clip: Path, signed: Path):
    def packets(path: Path) -> list[bytes]:
        with av.open(str(path)) as container:
            return [bytes(packet) for packet in container.demux(video=0)]

    assert packets(signed) == packets(clip)


def box(content: bytes, kind: bytes) -> tuple[int, int]:
    at = 0
    while content[at + 4 : at + 8] != kind:
        at += int.from_bytes(content[at : at + 4])
    return at, at + int.from_bytes(content[at : at + 4])


def test_one_flipped_bit_of_picture_is_invalid(signed: Path, trust: Trust):
    content = bytearray(signed.read_bytes())
    start, end = box(content, b"mdat")
    content[(start + end) // 2] ^= 1
    signed.write_bytes(content)
    reading = read(signed, trust)
    assert reading.state is CredentialsState.INVALID
    assert not reading.ours
    assert not reading.intact
    assert "assertion.bmffHash.mismatch" in reading.failures


def test_something_appended_is_invalid(signed: Path, trust: Trust):
    signed.write_bytes(signed.read_bytes() + b"\x00\x00\x00\x10freehidden!!")
    assert read(signed, trust).state is CredentialsState.INVALID


def test_an_edited_manifest_is_invalid(signed: Path, trust: Trust):
    content = signed.read_bytes()
    assert b"Example Platform" in content
    signed.write_bytes(content.replace(b"Example Platform", b"Another Platform"))
    reading = read(signed, trust)
    assert reading.state is CredentialsState.INVALID
    assert not reading.ours


def test_a_re_encode_carries_no_manifest(signed: Path, trust: Trust, tmp_path: Path):
    with av.open(str(signed)) as source, av.open(str(tmp_path / "copy.mp4"), "w") as target:
        stream = target.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for frame in source.decode(video=0):
            frame.pict_type = av.video.frame.PictureType.NONE
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    reading = read(tmp_path / "copy.mp4", trust)
    assert (reading.state, reading.error) == (CredentialsState.ABSENT, None)


def test_the_manifest_of_another_clip_is_not_ours(clip, spec, signer, trust, new_clip, tmp_path):
    sign(clip, tmp_path / "a.mp4", spec, signer)
    sign(new_clip(tmp_path / "other.mp4", seed=1), tmp_path / "b.mp4", replace(spec, clip_id="clip_other1"), signer)
    a, b = ((tmp_path / name).read_bytes() for name in ("a.mp4", "b.mp4"))
    (a_start, a_end), (b_start, b_end) = box(a, b"uuid"), box(b, b"uuid")
    assert a_end - a_start == b_end - b_start, "same size, so that nothing else moves"
    (tmp_path / "forged.mp4").write_bytes(b[:b_start] + a[a_start:a_end] + b[b_end:])
    reading = read(tmp_path / "forged.mp4", trust)
    assert reading.clip_id == "clip_0193b0"
    assert reading.state is CredentialsState.INVALID
    assert not reading.ours


def test_another_authority_is_valid_but_not_trusted(signed: Path, tmp_path: Path, trust: Trust):
    stranger = open_authority(tmp_path / "stranger", now=datetime.now(UTC))
    reading = read(signed, Trust(own_pem=stranger.root_pem))
    assert (reading.state, reading.ours, reading.intact) == (CredentialsState.VALID, False, True)
    assert "signingCredential.untrusted" in reading.failures


def test_others_may_be_trusted_without_being_us(signed: Path, tmp_path: Path, authority: Authority):
    stranger = open_authority(tmp_path / "stranger", now=datetime.now(UTC))
    reading = read(signed, Trust(own_pem=stranger.root_pem, others_pem=authority.root_pem))
    assert (reading.state, reading.ours) == (CredentialsState.TRUSTED, False)


def test_a_time_stamp_authority_cannot_vouch_for_a_clip(signed: Path, tmp_path: Path, authority: Authority):
    stranger = open_authority(tmp_path / "stranger", now=datetime.now(UTC))
    reading = read(signed, Trust(own_pem=stranger.root_pem, timestamps_pem=authority.root_pem))
    assert (reading.state, reading.ours) == (CredentialsState.VALID, False)


@pytest.mark.parametrize("content", [b"", b"no video at all", b"\x00\x00\x00\x18ftypisom" + bytes(12)])
def test_what_is_no_clip_has_no_credentials(content: bytes, tmp_path: Path, trust: Trust):
    (tmp_path / "x.mp4").write_bytes(content)
    reading = read(tmp_path / "x.mp4", trust)
    assert reading.state is CredentialsState.ABSENT


def test_a_cut_off_clip_is_invalid(signed: Path, trust: Trust):
    content = signed.read_bytes()
    for length in (len(content) - 1000, sum(box(content, b"mdat")) // 2):
        signed.write_bytes(content[:length])
        assert read(signed, trust).state is CredentialsState.INVALID


def test_every_early_cut_is_answered(signed: Path, trust: Trust, tmp_path: Path):
    content = signed.read_bytes()
    for length in range(0, 16000, 701):
        (tmp_path / "cut.mp4").write_bytes(content[:length])
        reading = read(tmp_path / "cut.mp4", trust)
        holds = MANIFEST_BOX in content[:length]
        assert reading.state is (CredentialsState.INVALID if holds else CredentialsState.ABSENT)
        assert reading.error or reading.failures


def test_a_missing_file_is_not_absent_credentials(tmp_path: Path, trust: Trust):
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none.mp4", trust)


def test_the_callback_s_own_error_comes_through(clip: Path, spec: ManifestSpec, signer: Signer, tmp_path: Path):
    def refuse(_: bytes) -> bytes:
        raise ConnectionRefusedError("the key service is away")

    with pytest.raises(SignerFailed, match="the key service is away") as caught:
        sign(clip, tmp_path / "out.mp4", spec, replace(signer, sign=refuse))
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    assert list(tmp_path.iterdir()) == []


def test_a_signature_of_another_key_is_refused(clip: Path, spec: ManifestSpec, signer: Signer, tmp_path: Path):
    stranger = open_authority(tmp_path / "stranger", now=datetime.now(UTC))
    with pytest.raises(SignerFailed, match="does not belong"):
        sign(clip, tmp_path / "out.mp4", spec, replace(signer, sign=stranger.sign))
    assert not (tmp_path / "out.mp4").exists()


def test_a_raw_signature_serves_as_well(clip, spec, signer: Signer, trust: Trust, tmp_path: Path):
    def raw(data: bytes) -> bytes:
        r, s = decode_dss_signature(signer.sign(data))
        return r.to_bytes(32) + s.to_bytes(32)

    sign(clip, tmp_path / "out.mp4", spec, replace(signer, sign=raw))
    assert read(tmp_path / "out.mp4", trust).ours


def test_what_is_no_mp4_is_not_signed(spec: ManifestSpec, signer: Signer, tmp_path: Path):
    (tmp_path / "in.mp4").write_bytes(b"no video at all")
    with pytest.raises(SigningFailed):
        sign(tmp_path / "in.mp4", tmp_path / "out.mp4", spec, signer)
    assert not (tmp_path / "out.mp4").exists()


def test_many_threads_sign_and_read_at_once(clip, spec, signer: Signer, trust: Trust, tmp_path: Path):
    def both(number: int) -> tuple[str | None, bool]:
        target = tmp_path / f"{number}.mp4"
        sign(clip, target, replace(spec, clip_id=f"clip_{number}"), signer)
        reading = read(target, trust)
        return reading.clip_id, reading.ours

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(both, range(40)))
    assert done == [(f"clip_{number}", True) for number in range(40)]


def test_reading_fetches_nothing(clip, spec, signer: Signer, trust: Trust, tmp_path: Path):
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        with (
            credentials._context(credentials._settings(None)) as context,
            c2pa.Signer.from_callback(signer.sign, c2pa.C2paSigningAlg.ES256, signer.chain_pem, None) as native,
            c2pa.Builder(json.dumps(definition(spec)), context) as builder,
            clip.open("rb") as source,
            (tmp_path / "remote.mp4").open("w+b") as target,
        ):
            builder.set_no_embed()
            builder.set_remote_url(f"http://127.0.0.1:{server.server_port}/manifest.c2pa")
            builder.sign(native, "video/mp4", source, target)
        reading = read(tmp_path / "remote.mp4", trust)
        assert reading.state is CredentialsState.ABSENT
        assert reading.error
        assert asked == []
        with pytest.raises(c2pa.C2paError), (tmp_path / "remote.mp4").open("rb") as file:
            c2pa.Reader(None, file, context=c2pa.Context())
        assert asked == ["/manifest.c2pa"], "left to its defaults the library does fetch: the setting is what stops it"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_hostile_report_is_read_without_belief():
    hostile: list[object] = [
        None,
        [],
        {"active_manifest": ["x"], "manifests": {}},
        {"active_manifest": "m", "manifests": {"m": {"assertions": [None, {"label": "c2pa.soft-binding", "data": 7}]}}},
        {"validation_state": "Trusted"},
        {"validation_state": "Trusted", "validation_results": {"trustListUri": "system_anchors"}},
    ]
    for store in hostile:
        reading = interpret(store)
        assert not reading.ours
        assert reading.state is not CredentialsState.TRUSTED
    said = [{"label": "org.countersign.provenance", "data": {"id": "x" * 10_000}}]
    long = interpret({"active_manifest": "m", "manifests": {"m": {"assertions": said}}})
    assert long.clip_id == "x" * TEXT_LIMIT
