"""What browsers are sent: small, and what others wrote is exactly what they published."""

import gzip
import hashlib
import tomllib
from pathlib import Path

import review_ui

STATIC = Path(review_ui.__file__).parent / "static"
#: Scripts and styles of all pages together; the policy editor is counted apart.
MOST_BYTES = 30_000


def test_vendored_files_are_as_published_and_none_is_unlisted():
    listed = tomllib.loads((STATIC / "vendor" / "VENDORED.toml").read_text())["file"]
    assert {file["path"] for file in listed} == {path.name for path in (STATIC / "vendor").iterdir()} - {
        "VENDORED.toml"
    }
    for file in listed:
        assert set(file) == {"path", "name", "version", "licence", "source", "sha256"}
        assert hashlib.sha256((STATIC / "vendor" / file["path"]).read_bytes()).hexdigest() == file["sha256"], file[
            "path"
        ]


def test_scripts_and_styles_stay_small():
    editor = {STATIC / "vendor" / "codemirror.min.js", *(STATIC / "editor").iterdir()}
    files = [path for path in STATIC.rglob("*") if path.suffix in {".js", ".css"} and path not in editor]
    sizes = {path.relative_to(STATIC).as_posix(): len(gzip.compress(path.read_bytes())) for path in files}
    for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
        print(f"{size:6} {name}")
    assert sum(sizes.values()) <= MOST_BYTES
