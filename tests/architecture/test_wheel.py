"""What a fresh environment gets: the wheel's files, one owner for each import name, and a resolution for every Python."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]

PACKAGES = ("moderation", "detectors", "watermark", "review_ui")
UV = [sys.executable, "-m", "uv", "--no-config"]


@pytest.fixture(scope="module")
def wheel(root: Path, tracked: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from what git tracks and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    for path in tracked:
        copy = folder / "source" / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), "./source"]
    subprocess.run(command, cwd=folder, check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the locked packages and the wheel, installed as `make install` does, and no checkout."""
    folder = tmp_path_factory.mktemp("fresh")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    subprocess.run([*install, "--require-hashes", "-r", str(root / "requirements.lock")], cwd=folder, check=True)
    subprocess.run([*install, "--no-deps", str(wheel)], cwd=folder, check=True)
    subprocess.run([str(python), str(root / ".ci" / "first_import.py")], cwd=folder, check=True)
    return python


def test_the_wheel_holds_exactly_the_listed_files(wheel: Path, root: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = sorted(name for name in archive.namelist() if ".dist-info/" not in name)
    listed = (root / "tests" / "architecture" / "wheel_files.txt").read_text().split()
    assert held == listed, "when the change is meant: python tests/architecture/list_wheel_files.py"


def test_each_import_name_has_one_owner(python: Path) -> None:
    program = f"from importlib.metadata import packages_distributions as p; print([p()[n] for n in {PACKAGES}])"
    shown = subprocess.run([python, "-c", program], cwd=python.parent, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == str([["countersign-moderation"]] * 4)


def test_the_installed_command_runs_without_a_checkout(python: Path, tmp_path: Path) -> None:
    shown = subprocess.run(
        [python.parent / "moderation", "--help"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "detect, mark, prove, review" in shown.stdout
    lint = subprocess.run(
        [python, "-m", "moderation", "policy", "lint"], cwd=tmp_path, capture_output=True, check=False
    )
    assert lint.returncode == 0, lint.stderr


def test_the_installed_packages_stay_below_700_mb(python: Path) -> None:
    size = sum(path.lstat().st_size for path in python.parent.parent.rglob("*") if path.is_file())
    print(f"{size / 1e6:.0f} MB installed")
    assert size < 700e6


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_every_python_resolves_to_wheels_alone(root: Path, tmp_path: Path, version: str) -> None:
    """Proves that the lock file can be installed; the tests themselves run on the Python at hand."""
    command = [*UV, "pip", "install", "--dry-run", "--only-binary", ":all:", "--require-hashes", "--quiet"]
    where = ["--python-version", version, "--target", str(tmp_path), "-r", "requirements.lock"]
    subprocess.run([*command, *where], cwd=root, check=True)
