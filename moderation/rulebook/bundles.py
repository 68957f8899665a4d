"""The texts of a policy folder as one thing: read from a folder or an archive, laid out, compiled. No database."""

import io
import tempfile
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath

from moderation.canonical import digest
from moderation.errors import ModerationError, TooLarge, Unprocessable
from moderation.policy.engine import Ruleset
from moderation.policy.loader import UnusablePolicies, load_ruleset
from moderation.policy.model import Finding

#: What belongs to a policy folder besides YAML.
SIGNATURE = "policies.sig"
_SUFFIXES = frozenset({".yaml", ".yml", ".md", ".sig"})
MAX_FILES = 1_500
MAX_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 2

#: Bytes of one name: what every file system takes.
_MAX_NAME = 120

Texts = Mapping[str, str]


def read_texts(folder: Path) -> dict[str, str]:
    """Every text of a policy folder by relative path: rules, cases, guidance, word lists, signature.

    Follows no link out of the folder, or somebody else's file would be handed in with it. Raises Unprocessable for a
    folder that is none, holds what is no text or leads elsewhere, TooLarge beyond the bounds.
    """
    if not folder.is_dir():
        raise Unprocessable(f"there is no folder {folder}")
    root = folder.resolve()
    paths = [path for pattern in ("*", "*/*") for path in sorted(folder.glob(pattern)) if _belongs(path, folder)]
    read: dict[str, bytes] = {}
    if len(paths) > MAX_FILES:
        raise TooLarge(f"a policy folder has at most {MAX_FILES} files", max_bytes=MAX_BYTES)
    for path in paths:
        if not path.resolve().is_relative_to(root):
            raise Unprocessable(f"{path} is a link that leads out of its folder: put the file itself there")
        with path.open("rb") as file:
            read[path.relative_to(folder).as_posix()] = file.read(MAX_BYTES + 1)
    return decoded(read)


def _belongs(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
    return path.suffix in _SUFFIXES and path.is_file() and not hidden


def read_archive(archive: bytes) -> dict[str, str]:
    """The texts of a zipped policy folder; a single folder around all of it is taken off.

    Raises Unprocessable for what is no archive of texts, TooLarge beyond the bounds.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
            members = [member for member in zipped.infolist() if not member.is_dir()]
            _demand_members(members)
            read = {member.filename: _unzipped(zipped, member) for member in members}
    except ModerationError:
        raise
    # A broken archive may break its reader in any way.
    except Exception as error:
        raise Unprocessable("this is no zip archive that can be read") from error
    return decoded(_unwrapped(read))


def _demand_members(members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MAX_FILES or sum(member.file_size for member in members) > MAX_BYTES:
        raise TooLarge(f"at most {MAX_FILES} files and {MAX_BYTES} bytes", max_bytes=MAX_BYTES)
    seen: set[str] = set()
    for member in members:
        if member.filename in seen:
            raise Unprocessable(f"`{member.filename[:100]}` is in the archive twice: which one counts?")
        seen.add(member.filename)


def _unzipped(zipped: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    # What the archive says of its sizes is not to be believed.
    with zipped.open(member) as file:
        return file.read(MAX_BYTES + 1)


def _unwrapped(read: dict[str, bytes]) -> dict[str, bytes]:
    tops = {name.partition("/")[0] for name in read}
    if len(tops) != 1 or any("/" not in name for name in read):
        return read
    return {name.partition("/")[2]: content for name, content in read.items()}


def decoded(read: Mapping[str, bytes]) -> dict[str, str]:
    """Texts from bytes, each with a name that stays inside a folder. Raises Unprocessable, TooLarge."""
    if len(read) > MAX_FILES or sum(map(len, read.values())) > MAX_BYTES:
        raise TooLarge(f"a policy folder has at most {MAX_FILES} files and {MAX_BYTES} bytes", max_bytes=MAX_BYTES)
    texts = {}
    _demand_names(read)
    for name, content in sorted(read.items()):
        try:
            texts[name] = content.decode()
        except UnicodeDecodeError as error:
            raise Unprocessable(f"{name} is not UTF-8 text") from error
    if not texts:
        raise Unprocessable("there is no policy text here")
    return texts


def _demand_names(names: Collection[str]) -> None:
    folders = {name.partition("/")[0] for name in names if "/" in name}
    for name in names:
        demand_name(name)
        if name in folders:
            raise Unprocessable(f"`{name}` cannot be a file and a folder")


def demand_name(name: str) -> None:
    """Refuse a path that leaves its folder, hides, or names no text. Raises Unprocessable."""
    path = PurePosixPath(name)
    fine = (
        name == path.as_posix()
        and not path.is_absolute()
        and len(path.parts) <= MAX_DEPTH
        and path.suffix in _SUFFIXES
        and all(map(_plain, path.parts))
    )
    if not fine:
        raise Unprocessable(f"`{name[:100]}` is no file of a policy folder: AREA/NAME.yaml, AREA/guidance.LANGUAGE.md")


def _plain(part: str) -> bool:
    """Tell whether a name is one on every file system and shows all of what it is."""
    return part.isprintable() and part[0] not in "._" and "\\" not in part and len(part.encode()) <= _MAX_NAME


def digest_of(texts: Texts) -> str:
    """SHA-256 (hex) over every text but the signature."""
    return digest({name: text for name, text in texts.items() if name != SIGNATURE})


@contextmanager
def laid_out(texts: Texts) -> Iterator[Path]:
    """The texts as a folder, while the block lasts; UnusablePolicies raised inside names paths within it.

    Raises Unprocessable for a name that is none of a policy folder: nothing is ever written anywhere else.
    """
    _demand_names(texts)
    with tempfile.TemporaryDirectory(prefix="policies-") as made:
        folder = Path(made)
        for name, text in texts.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="")
        try:
            yield folder
        except UnusablePolicies as error:
            raise UnusablePolicies(relative(error.findings, folder)) from error


def compile_texts(texts: Texts) -> Ruleset:
    """The ruleset these texts make. Raises UnusablePolicies with every finding, by relative path."""
    with laid_out(texts) as folder:
        return load_ruleset(folder)


def relative(findings: list[Finding], folder: Path) -> list[Finding]:
    """Findings without the place where the texts happened to lie."""
    return [replace(finding, path=finding.path.removeprefix(str(folder)).lstrip("/")) for finding in findings]
