"""The exemption for parody that docs/howto/public-figures.md offers does what it says, and is off as shipped."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
OFFERED = re.search(r"```yaml\n    when:\n(.*?)```", (ROOT / "docs/howto/public-figures.md").read_text(), re.DOTALL)
GIVEN = """\
people: {{omar: {{kind: public_figure, consent: not_consented}}}}
faces: [{{state: {state}, person: omar}}]
submission: {{purpose: {purpose}}}
"""


@pytest.mark.parametrize(
    ("state", "purpose", "truth"),
    [
        ("matched", "parody", "false"),
        ("matched", "news", "true"),
        ("possible", "news", "true"),
        ("unmatched", "news", "false"),
        # What a platform did not say is no parody: the rule asks a person.
        ("matched", None, "undetermined"),
    ],
)
def test_parody_is_exempt_only_where_the_rule_is_narrowed(truths, state, purpose, truth):
    assert OFFERED
    lines = OFFERED[1].rstrip().splitlines()
    condition = "\n" + "\n".join(f"    {line}" for line in lines)
    given = GIVEN.format(state=state, purpose=purpose)
    given = given.replace("submission: {purpose: None}\n", "").replace(
        ", person: omar}]", "}]" if state == "unmatched" else ", person: omar}]"
    )
    assert truths(condition, given) == truth
    shipped = (ROOT / "policies" / "public_figures" / "policy.yaml").read_text()
    assert "parody" not in shipped
