"""Pictures of an operator's folder: whatever lies there, the command says which files were no pictures."""

import struct
import zlib

from moderation.calibrating import read_picture


def test_a_file_that_claims_more_pixels_than_can_be_opened_is_no_picture(tmp_path):
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")
    (tmp_path / "huge.png").write_bytes(content)
    assert read_picture(tmp_path / "huge.png") is None
    (tmp_path / "empty.png").write_bytes(b"")
    assert read_picture(tmp_path / "empty.png") is None
