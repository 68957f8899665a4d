"""Texts of a policy folder: what is read, what an archive may bring, and what a share of the clips is."""

import io
import itertools
import zipfile

import pytest

from moderation.errors import TooLarge, Unprocessable
from moderation.rulebook import bundles
from moderation.rulebook.bundles import decoded, digest_of, laid_out, read_archive, read_texts
from moderation.rulebook.in_force import in_share


def packed(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return made.getvalue()


def test_a_folder_is_read_and_laid_out_again(tmp_path):
    (tmp_path / "area").mkdir()
    (tmp_path / ".git").mkdir()
    for name in ("vocabulary.yaml", "area/policy.yaml", "area/guidance.ar.md", "area/.policy.yaml.swp", ".git/x.yaml"):
        (tmp_path / name).write_text(f"# {name}\r\n", newline="")
    texts = read_texts(tmp_path)
    assert sorted(texts) == ["area/guidance.ar.md", "area/policy.yaml", "vocabulary.yaml"]
    with laid_out(texts) as folder:
        assert read_texts(folder) == texts
        assert (folder / "area/policy.yaml").read_bytes() == b"# area/policy.yaml\r\n"


def test_an_archive_loses_the_one_folder_around_it():
    plain = {"vocabulary.yaml": b"a", "area/policy.yaml": b"b"}
    assert read_archive(packed(plain)) == read_archive(
        packed({f"policies/{name}": text for name, text in plain.items()})
    )


@pytest.mark.parametrize(
    "name",
    ["../up.yaml", "/abs.yaml", "a/b/c.yaml", ".hidden.yaml", "area/.x.yaml", "area/run.py", "a\\b.yaml", "a//b.md"],
)
def test_names_stay_inside_and_name_texts(name):
    with pytest.raises(Unprocessable, match="no file of a policy folder"):
        decoded({"vocabulary.yaml": b"", name: b"x"})


def test_what_unpacks_to_too_much_is_refused(monkeypatch):
    monkeypatch.setattr(bundles, "MAX_BYTES", 1000)
    bomb = packed({"vocabulary.yaml": b"0" * 1001})
    assert len(bomb) < 1000
    with pytest.raises(TooLarge):
        read_archive(bomb)
    # An archive that lies about its sizes gets no further.
    lying = bomb.replace((1001).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    with pytest.raises((TooLarge, Unprocessable)):
        read_archive(lying)


@pytest.mark.parametrize("archive", [b"", b"PK", b"no archive at all"])
def test_what_is_no_archive_is_said_to_be_none(archive):
    with pytest.raises(Unprocessable):
        read_archive(archive)


def test_what_is_no_text_is_refused():
    with pytest.raises(Unprocessable, match="not UTF-8"):
        decoded({"vocabulary.yaml": b"\xff\xfe"})


def test_the_signature_is_no_part_of_what_is_signed():
    texts = {"vocabulary.yaml": "a"}
    assert digest_of(texts) == digest_of({**texts, "policies.sig": "x"})
    assert digest_of(texts) != digest_of({"vocabulary.yaml": "b"})


def test_a_share_grows_by_adding_clips_only():
    clips = [f"clip_{number}" for number in range(2000)]
    shares = [{clip for clip in clips if in_share(clip, percent)} for percent in (0, 1, 10, 50, 99, 100)]
    assert all(less <= more for less, more in itertools.pairwise(shares))
    assert (len(shares[0]), len(shares[-1])) == (0, 2000)
    assert 140 < len(shares[2]) < 260


@pytest.mark.parametrize("name", ["x" * 130 + "/policy.yaml", "area/" + "\u00e9" * 61 + ".md", "area/a\ud800.md"])
def test_names_are_such_as_every_file_system_takes(name):
    with pytest.raises(Unprocessable, match="no file of a policy folder"):
        decoded({"vocabulary.yaml": b"", name: b"x"})


def test_a_name_is_a_file_or_a_folder():
    with pytest.raises(Unprocessable, match="cannot be a file and a folder"):
        decoded({"x.yaml": b"", "x.yaml/policy.yaml": b""})


@pytest.mark.parametrize("way", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_broken_archive_is_refused_wherever_it_is_broken(way):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", way) as archive:
        archive.writestr("area/policy.yaml", "language: 1\n" * 50)
    whole = made.getvalue()
    for at in range(0, len(whole), 3):
        broken = bytearray(whole)
        broken[at] ^= 0x5A
        try:
            read_archive(bytes(broken))
        except (Unprocessable, TooLarge):
            continue


def test_of_two_texts_of_one_name_none_is_taken():
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("area/policy.yaml", "what people look at")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("area/policy.yaml", "what would count")
    with pytest.raises(Unprocessable, match="twice"):
        read_archive(made.getvalue())


def test_no_link_leads_out_of_the_folder(tmp_path):
    (tmp_path / "secret.md").write_text("a secret")
    folder = tmp_path / "policies"
    (folder / "area").mkdir(parents=True)
    (folder / "..data.yaml").write_text("kept")
    (folder / "area" / "policy.yaml").symlink_to(folder / "..data.yaml")
    assert read_texts(folder) == {"area/policy.yaml": "kept"}
    (folder / "area" / "guidance.en.md").symlink_to(tmp_path / "secret.md")
    with pytest.raises(Unprocessable, match=r"area/guidance\.en\.md is a link that leads out"):
        read_texts(folder)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(Unprocessable, match=r"there is no folder .*nosuch"):
        read_texts(tmp_path / "nosuch")


@pytest.mark.parametrize("name", ["../out.yaml", "ABSOLUTE", "area/../../out.yaml"])
def test_nothing_is_laid_out_outside_its_folder(tmp_path, name):
    name = name.replace("ABSOLUTE", str(tmp_path / "out.yaml"))
    with pytest.raises(Unprocessable), laid_out({"vocabulary.yaml": "a", name: "x"}):
        pass
    assert not (tmp_path / "out.yaml").exists()
