"""A platform's own word about a clip, from the request to the verdict and the rules; never in the place of a look."""

import json
import shutil
from pathlib import Path

import pytest

from moderation.assembly import open_services
from moderation.checking import check_file
from moderation.clips import Submission
from moderation.db.clips import read_clip
from moderation.settings import Policies
from moderation.verdicts import read_verdict


def form(path, **metadata):
    return {
        "metadata": (None, json.dumps({"creator": "ana", **metadata}), "application/json"),
        "file": ("clip.mp4", path.read_bytes(), "video/mp4"),
    }


def test_claims_come_in_bounded_and_under_their_own_names(service, drawn):
    answer = service.client.post("/v1/clips", files=form(drawn, claims={"platform.nsfw": 0.75, "platform.risk": 0}))
    assert answer.status_code == 202, answer.text
    with service.services.database.transaction("default") as tx:
        assert read_clip(tx, answer.json()["id"]).claims == {"platform.nsfw": 0.75, "platform.risk": 0}
    for claims in (
        {"explicit.score": 0.0}, {"platform.other": 0.5}, {"platform.nsfw": 1.5}, {"platform.nsfw": -1},
        {"platform.nsfw": "0.5"}, {"platform.nsfw": True}, {"platform.nsfw": None}, [0.5], 0.5,
    ):  # fmt: skip
        assert service.client.post("/v1/clips", files=form(drawn, claims=claims)).status_code == 422, claims


@pytest.fixture
def rules(tmp_path):
    """The shipped policies with one more rule, that asks what the platform says."""
    folder = tmp_path / "policies"
    shutil.copytree(Path(__file__).parents[2] / "policies", folder)
    path = folder / "explicit" / "policy.yaml"
    path.write_text(
        path.read_text() + "\n  - rule: as_the_platform_says\n    when: {signal: platform.nsfw, at_least: 0.7}\n"
        "    then: {outcome: review, reasons: [explicit_content], priority: 30}\n"
    )
    return folder


@pytest.mark.full
def test_a_claim_is_noted_beside_what_was_seen_and_rules_may_ask_for_it(settings, embedded_pack, rules, drawn):
    with open_services(settings.model_copy(update={"policies": Policies(folder=rules)})) as services:

        def check(claims):
            clip = check_file(services, "default", "tester", drawn, Submission(creator="ana", claims=claims))
            return read_verdict(services, "default", clip.clip_id)

        silent, harmless, flagged = check({}), check({"platform.nsfw": 0.1}), check({"platform.nsfw": 0.9})
    assert "platform.nsfw" not in silent["signals"]
    claim = harmless["signals"]["platform.nsfw"]
    assert (claim["state"], claim["model"]) == ("measured", "caller")
    # What we saw ourselves does not move, whatever was claimed.
    assert silent["signals"]["explicit.score"] == harmless["signals"]["explicit.score"]
    assert silent["signals"]["explicit.score"] == flagged["signals"]["explicit.score"]
    assert (silent["status"], harmless["status"], flagged["status"]) == ("released", "released", "in_review")
