"""The commands of a fresh checkout stand in the Makefile, the README's commands are among them, and files agree."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

TARGETS = {"run", "test", "demo", "test-full", "check", "bench", "bench-scale", "help"}


def test_help_lists_every_target_of_the_contract(root: Path) -> None:
    shown = subprocess.run(["make", "help"], cwd=root, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"make ([a-z-]+)", shown)) >= TARGETS


def test_targets_name_no_absolute_path(root: Path) -> None:
    makefile = (root / "Makefile").read_text()
    assert re.findall(r"CURDIR|\$\(PWD\)|abspath|realpath", makefile) == []


def test_make_commands_in_documents_exist(root: Path) -> None:
    known = set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(), re.MULTILINE))
    for path in (root / "README.md", root / "CONTRIBUTING.md", *(root / "docs").rglob("*.md")):
        named = set(re.findall(r"`make ([a-z-]+)`|^make ([a-z-]+)$", path.read_text(), re.MULTILINE))
        assert {name for pair in named for name in pair if name} <= known, path


def test_moderation_commands_in_the_readme_exist(root: Path) -> None:
    source = "".join(path.read_text() for path in (root / "moderation" / "cli").glob("*.py"))
    named = set(
        re.findall(r"moderation ([a-z]+)\b(?= |`|$)", " ".join(re.findall(r"`moderation [^`]+`", _readme(root))))
    )
    assert {name for name in named if f'"{name}"' not in source and f"def {name}(" not in source} == set()


def _readme(root: Path) -> str:
    return (root / "README.md").read_text()


def test_locks_hold_what_the_project_asks_for(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())
    asked = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["cpu"]]
    locked = _names((root / "requirements.lock").read_text().splitlines())
    assert _names(asked) <= locked
    assert "torch" not in locked
    for_tests = _names((root / "requirements-dev.lock").read_text().splitlines())
    assert locked | _names(project["dependency-groups"]["dev"]) <= for_tests


def _names(lines: list[str]) -> set[str]:
    found = (re.match(r"([A-Za-z0-9][\w.-]*)", line) for line in lines)
    return {re.sub(r"[-_.]+", "-", match[1]).lower() for match in found if match}


def test_every_dependency_is_used(root: Path, modules: list[Path]) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())
    source = "\n".join(path.read_text() for path in modules)
    unused = []
    for name in _names(project["project"]["dependencies"]):
        module = MODULES.get(name, name.replace("-", "_"))
        if not re.search(rf"(?:import|from) {module}\b|[\"']{module}[\"'.]|{name}", source):
            unused.append(name)
    assert unused == []


#: Import names that are not the distribution's name.
MODULES = {
    "c2pa-python": "c2pa",
    "opencv-python-headless": "cv2",
    "psycopg": "psycopg",
    "python-bidi": "bidi",
    "python-multipart": "python_multipart",
    "pyyaml": "yaml",
}


def test_the_table_of_weights_is_current(root: Path) -> None:
    assert subprocess.run([sys.executable, ".ci/weights.py", "--check"], cwd=root, check=False).returncode == 0
