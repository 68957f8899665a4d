"""Resolve the pinned requirements for every supported Python at once, with hashes that pip and uv both check."""

import re
import subprocess
import sys
from pathlib import Path

from torch_extra import LOCK as TORCH_LOCK
from torch_extra import TORCH

COMMON = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"]
OPTIONS = ["--extra", "cpu", "--generate-hashes", "--no-header", "--no-annotate"]
LOCKS: dict[str, list[str]] = {"requirements.lock": [], "requirements-dev.lock": ["--group", "dev"]}
#: What torch itself brings, or does not, depending on which of its builds an index has.
WITH_TORCH = re.compile(r"^(torch|triton|nvidia-.*|cuda-.*)==")


def main() -> None:
    """Write the lock files; `--upgrade` and such are handed on."""
    for name, arguments in LOCKS.items():
        resolve(*arguments, "--output-file", name)
    TORCH_LOCK.write_text(beside(resolve("--extra", "torch", "--constraint", "-", stdin=constraints())))


def resolve(*arguments: str, stdin: str | None = None) -> str:
    """Run the resolver over `pyproject.toml`; its standard output."""
    command = [*COMMON, *OPTIONS, *arguments, *sys.argv[1:], "pyproject.toml"]
    return subprocess.run(command, check=True, input=stdin, stdout=subprocess.PIPE, text=True).stdout


def constraints() -> str:
    """What the extra `torch` must agree with: the pinned torch and everything that is locked already."""
    return "\n".join([TORCH, *sorted(pins(Path("requirements.lock").read_text()))])


def pins(lock: str) -> set[str]:
    """Return the lines `name==version` of a lock, with their markers."""
    return {match[1] for match in re.finditer(r"^([A-Za-z0-9_.-]+==[^\\\n]*?) *\\?$", lock, re.MULTILINE)}


def beside(lock: str) -> str:
    """Return the entries of a lock that neither the other lock nor torch itself brings."""
    entries = re.split(r"(?m)^(?=\S)", lock)
    known = pins(Path("requirements.lock").read_text())
    return "".join(entry for entry in entries if not WITH_TORCH.match(entry) and not pins(entry) & known)


if __name__ == "__main__":
    main()
