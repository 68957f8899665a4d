"""Run the tests of the GPU pack where the extra `torch` is: in an environment beside the other, made when missing.

It sees the packages of the environment that runs this script and adds its own. torch itself is pinned by version alone:
the same version comes as different files (for processors or for cards), and which one depends on the index in use.
"""

import subprocess
import sys
import sysconfig
import time
from pathlib import Path

TORCH = "torch==2.13.0"
LOCK = Path("requirements-torch.lock")
FOLDER = Path(".venv-torch")
PYTHON = FOLDER / "bin" / "python"
PIP = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--no-compile", "--quiet"]


def main() -> int:
    """Make the environment if needed, then run `tests/torch` there; the tests' own exit code."""
    done, wanted = FOLDER / ".installed", f"{TORCH} beside {sysconfig.get_path('purelib')}\n{LOCK.read_text()}"
    if not done.is_file() or done.read_text() != wanted:
        make_environment()
        done.write_text(wanted)
    return subprocess.run([str(PYTHON), "-m", "pytest", "tests/torch", *sys.argv[1:]], check=False).returncode


def make_environment() -> None:
    """Install torch and what the lock names; print what it took."""
    started = time.monotonic()
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(FOLDER)], check=True)
    (packages,) = FOLDER.glob("lib/python*/site-packages")
    # The rest of the product: tests and detectors need it, and two copies would cost half a gigabyte.
    (packages / "base.pth").write_text(f"{sysconfig.get_path('purelib')}\n{Path.cwd()}\n")
    subprocess.run([*PIP, TORCH], check=True)
    subprocess.run([*PIP, "--no-deps", "--require-hashes", "-r", str(LOCK)], check=True)
    size = sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file() and not path.is_symlink())
    sys.stderr.write(f"{FOLDER}: {size / 1e9:.1f} GB in {time.monotonic() - started:.0f} s\n")


if __name__ == "__main__":
    sys.exit(main())
