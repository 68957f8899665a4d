"""Begins an area: a rule that works, its cases, and guidance whose words are still to be found. Overwrites nothing."""

from pathlib import Path
from typing import Final

from moderation.errors import Unprocessable
from moderation.policy.actions import NAME

#: Stands in guidance that nobody has written yet; lint finds it.
UNWRITTEN: Final = "TO BE WRITTEN"
_POLICY: Final = """\
# yaml-language-server: $schema=../schema/policy.json
# Say in one line what this area is about. The schema lets an editor complete names and check as you write.
language: 1
owner: policy-team
description: >
  What this area watches for, on what ground, and what its signals are worth.
queue: explicit
# Signals without which this area cannot be judged: a clip that lacks one goes to a person.
requires: []

rules:
  - rule: first_rule
    description: When it fires, and why there.
    when: {signal: words.violence, at_least: 0.5}
    then:
      outcome: review
      reasons: [violence]
      priority: 50
"""
_CASES: Final = """\
# yaml-language-server: $schema=../schema/cases.json
# One case where each rule must fire, and one, close by, where it must not.
cases:
  - case: on the line
    given:
      signals: {words.violence: "0.5"}
    must_fire: [first_rule]
    expect: {outcome: review}

  - case: just below the line
    given:
      signals: {words.violence: "0.4999"}
    must_not_fire: [first_rule]
    expect: {outcome: allow}
"""
_GUIDANCE: Final = {
    "en": ("Why it is here.", "Look at", "Block", "Allow"),
    "fr": ("Pourquoi ce clip est ici.", "Regardez", "Bloquez", "Autorisez"),
    "ar": ("سبب وجوده هنا.", "انظر إلى", "احظر", "اسمح"),
}


def begin_area(directory: Path, area: str) -> list[Path]:
    """Write the files of a new area below a policy folder; return their paths.

    In a folder that a service judges by, its rule acts at once: begin it in a copy.

    Raises Unprocessable when the name is no area's name, or the area is there already.
    """
    if not NAME.fullmatch(area):
        raise Unprocessable(f"`{area}` is no name for an area: lower-case letters, digits and _, a letter first")
    folder = directory / area
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise Unprocessable(f"{folder} is there already: nothing was written") from None
    texts = {"policy.yaml": _POLICY, "cases.yaml": _CASES}
    for language, heads in _GUIDANCE.items():
        parts = [f"**{head}** {UNWRITTEN}\n" for head in heads]
        texts[f"guidance.{language}.md"] = "\n".join([f"# {area}\n", *parts])
    paths = [folder / name for name in texts]
    for path in paths:
        path.write_text(texts[path.name], encoding="utf-8")
    return paths
