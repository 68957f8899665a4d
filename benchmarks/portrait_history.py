"""Take the official portraits of three Congresses out of the history of the two collections that keep them.

    python benchmarks/portrait_history.py US_HOUSE US_SENATE FOLDER

The first two are git directories of `CivilServiceUSA/us-house` and `us-senate` (MIT; adults in public office, 2017 to
2021). Writes `FOLDER/history/NAME@DATE.jpg`, which `likeness_lines.py` reads. Keep them out of the repository.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SIZE: Final = "512x512"


def git(repository: Path, *arguments: str) -> bytes:
    """What git answers."""
    return subprocess.run(["git", "--git-dir", str(repository), *arguments], capture_output=True, check=True).stdout


def portraits(repository: Path) -> Iterator[tuple[str, str, str]]:
    """Name, date and blob of every portrait there ever was, each blob once, with its first date."""
    order = ("log", "-m", "--first-parent", "--raw", "--no-abbrev", "--format=@%ad", "--date=short")
    said = git(repository, *order, "--", f"*{SIZE}*")
    date, found = "", dict[tuple[str, str], str]()
    for line in said.decode().splitlines():
        if line.startswith("@"):
            date = line[1:]
        elif line.startswith(":") and f"/{SIZE}/" in line and line.endswith(".jpg"):
            blob, name = line.split()[3], Path(line.split("\t")[-1]).stem
            if set(blob) != {"0"}:
                # The log goes backwards: what is seen last came first.
                found[name, blob] = date
    for (name, blob), first in found.items():
        yield name, first, blob


def main() -> None:
    """Write them all."""
    *repositories, folder = map(Path, sys.argv[1:])
    target = folder / "history"
    target.mkdir(parents=True, exist_ok=True)
    for repository in repositories:
        for name, date, blob in portraits(repository):
            (target / f"{name}@{date}-{blob[:8]}.jpg").write_bytes(git(repository, "cat-file", "blob", blob))
    print(f"{sum(1 for _ in target.iterdir())} portraits in {target}")


if __name__ == "__main__":
    main()
