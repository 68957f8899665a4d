"""The page on marking in memory does what it says: its code is run as it stands there."""

import re
from pathlib import Path

from watermark.limits import VideoLimits
from watermark.probing import probe

PAGE = Path(__file__).parents[3] / "docs/howto/mark-in-memory.md"


def test_the_code_of_the_page_marks_and_reads(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert "encoder='libx264'" in capsys.readouterr().out
    reading = names["reading"]
    assert (reading.state, reading.payload) == ("found", names["payload"])
    found = probe(tmp_path / "marked.mp4", VideoLimits())
    assert (found.frames, found.duration_ms, found.width, found.height, found.audio) == (45, 1500, 640, 360, None)
