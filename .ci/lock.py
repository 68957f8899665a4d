"""Resolve the pinned requirements for every supported Python at once, with hashes that pip and uv both check."""

import subprocess
import sys

COMMON = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"]
OPTIONS = ["--extra", "cpu", "--generate-hashes", "--no-header", "--no-annotate"]
LOCKS: dict[str, list[str]] = {"requirements.lock": [], "requirements-dev.lock": ["--group", "dev"]}


def main() -> None:
    """Write both lock files; `--upgrade` and such are handed on."""
    for name, arguments in LOCKS.items():
        subprocess.run(
            [*COMMON, *OPTIONS, *arguments, *sys.argv[1:], "--output-file", name, "pyproject.toml"], check=True
        )


if __name__ == "__main__":
    main()
