"""Files of labels, and what they say of outcomes."""

from collections import Counter

import pytest

from moderation.errors import Unprocessable
from moderation.rehearsing.labels import quality, read_labels


def test_a_file_of_labels_from_a_spreadsheet(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("\ufeffclip_id,who,outcome\r\nclip_1,ana, block\r\nclip_2,bo,allow\r\nclip_1,cy,block\r\n")
    assert read_labels(path) == {"clip_1": "block", "clip_2": "allow"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("clip,outcome\nclip_1,block\n", ":1 the first line"),
        ("clip_id,outcome\nclip_1,review\n", ":2 wants"),
        ("clip_id,outcome\n,block\n", ":2 wants"),
        ("clip_id,outcome\nclip_1\n", ":2 wants"),
        ("clip_id,outcome\nclip_1,block\nclip_1,allow\n", ":3 clip_1 has two"),
    ],
)
def test_a_faulty_file_is_refused_with_its_line(tmp_path, text, says):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(Unprocessable, match=says):
        read_labels(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(Unprocessable, match="cannot be read"):
        read_labels(tmp_path / "none.csv")


def test_quality_by_hand():
    found = quality(
        Counter(
            {
                ("block", "review"): 4,
                ("block", "restrict"): 2,
                ("restrict", "restrict"): 3,
                ("restrict", "allow"): 1,
                ("allow", "allow"): 10,
                ("allow", "block"): 5,
                ("allow", "review"): 1,
            }
        )
    )
    assert (found.recall.hits, found.recall.of) == (7, 10)
    assert (found.precision.hits, found.precision.of) == (9, 15)
    assert (found.wrongly_blocked.hits, found.wrongly_blocked.of) == (5, 16)
