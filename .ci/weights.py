"""Write the README's table of weights from `detectors/models.toml`; with `--check`, say whether it is current."""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACE = re.compile(r"(?<=<!-- weights -->\n).*(?=<!-- /weights -->)", re.DOTALL)


def table() -> str:
    """The table, one line a model."""
    pack = tomllib.loads((ROOT / "detectors" / "models.toml").read_text())["embedded"]
    lines = ["| model | for | licence | source | not measured |", "|---|---|---|---|---|"]
    for name, model in pack["models"].items():
        carrier = pack["carriers"][model["carrier"]]
        source = f"{model['source']}; from `{carrier['package']}` {carrier['version']}"
        cells = [f"`{name}`", model["purpose"], model["licence"], source, model["figures"]["not_measured"]]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write or check; 1 when the table is not current."""
    readme = ROOT / "README.md"
    text = readme.read_text()
    current = PLACE.sub(lambda _: table(), text)
    if "--check" not in sys.argv:
        readme.write_text(current)
    return int("--check" in sys.argv and current != text)


if __name__ == "__main__":
    sys.exit(main())
