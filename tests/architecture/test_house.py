"""The house style that a linter cannot hold: sizes, names, docstrings, the direction of imports."""

import ast
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

LONGEST_FILE = 400
#: Files that may be longer, each with its reason.
LONG_FILES: dict[str, str] = {}
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "core", "misc"}


@pytest.fixture(scope="module")
def functions(modules: list[Path], root: Path) -> list[tuple[int, str]]:
    """The length in lines and the place of every function, longest last."""
    found = []
    for path in modules:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                found.append((node.end_lineno - node.lineno + 1, f"{path.relative_to(root)}:{node.lineno} {node.name}"))
    return sorted(found)


def test_functions_are_short(functions: list[tuple[int, str]]) -> None:
    for length, place in reversed(functions[-10:]):
        print(f"{length:4} {place}")
    lengths = [length for length, _ in functions]
    print(f"{statistics.median(lengths):4} the median\n{statistics.quantiles(lengths, n=10)[-1]:4} nine of ten at most")
    assert statistics.median(lengths) <= 10
    assert statistics.quantiles(lengths, n=10)[-1] <= 35
    assert [function for function in functions if function[0] > 80] == []


def test_files_are_short_or_say_why_not(modules: list[Path], root: Path) -> None:
    long = {str(path.relative_to(root)) for path in modules if len(path.read_text().splitlines()) > LONGEST_FILE}
    assert long == set(LONG_FILES)


def test_every_module_says_what_it_is_for(modules: list[Path], root: Path) -> None:
    assert [str(path.relative_to(root)) for path in modules if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_files_are_nouns_of_the_domain(modules: list[Path], root: Path) -> None:
    named = [path.relative_to(root) for path in modules]
    assert [str(path) for path in named if VAGUE & {*path.parts, path.stem}] == []


def test_imports_run_one_way(root: Path) -> None:
    command = "from importlinter.cli import lint_imports_command; lint_imports_command(['--no-cache'])"
    linted = subprocess.run([sys.executable, "-c", command], cwd=root, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_an_import_against_the_direction_is_found(root: Path, tmp_path: Path) -> None:
    for package in ("moderation", "detectors", "watermark", "review_ui"):
        for path in (root / package).rglob("*.py"):
            copy = tmp_path / path.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(path.read_text())
    (tmp_path / "pyproject.toml").write_text((root / "pyproject.toml").read_text())
    (tmp_path / "detectors" / "intruder.py").write_text("import moderation.clips\nimport dbos\n")
    command = (
        "import sys; sys.path.insert(0, '.'); "
        "from importlinter.cli import lint_imports_command; lint_imports_command(['--no-cache'])"
    )
    linted = subprocess.run([sys.executable, "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert linted.returncode != 0
    assert "Imports run one way BROKEN" in linted.stdout
    assert "Only the engine imports dbos BROKEN" in linted.stdout


def test_heavy_packages_stay_unloaded_until_a_clip_is_looked_at(root: Path) -> None:
    heavy = "{'torch', 'onnxruntime', 'transformers', 'open_clip', 'onnx'}"
    program = (
        f"import sys, moderation.pipeline, detectors, watermark, moderation.api.app; print({heavy} & set(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"
