"""Reads a folder of policies into a ruleset, or refuses it with every finding. Never loads part of a folder."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from detectors.wordfiles import LEXICON_FILE, PROTOTYPES_FILE
from moderation.canonical import canonical, digest
from moderation.errors import Unprocessable
from moderation.policy import shorthand, source, vocabulary
from moderation.policy.areas import read_policy
from moderation.policy.engine import Ruleset
from moderation.policy.fields import Fields
from moderation.policy.model import LANGUAGE, Finding, Policy, Rule
from moderation.policy.registry import Vocabulary
from moderation.policy.weight import EXPRESSION_WEIGHT, MAX_WEIGHT, too_heavy

POLICY = "policy.yaml"
CASES = "cases.yaml"
#: Files an area may hold besides its policy; anything else in YAML is likely a misspelt name.
BESIDE = frozenset({CASES, LEXICON_FILE, PROTOTYPES_FILE, "labels.yaml"})
#: Beside the areas; holds what editors complete by, and no area.
SCHEMAS = "schema"
#: Files beside the areas.
ROOT = frozenset({vocabulary.FILE, shorthand.SHARED, CASES})
MAX_AREAS = 200


class UnusablePolicies(Unprocessable):
    """The policies cannot be used; every fault is listed with its place."""

    code = "policies"

    def __init__(self, findings: list[Finding]) -> None:
        self.findings = findings
        super().__init__("\n".join(map(str, findings)), findings=[finding.to_json() for finding in findings])


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A policy folder's texts by relative path ("explicit/policy.yaml"), with what is wrong about the files."""

    root: str
    texts: Mapping[str, str]
    findings: tuple[Finding, ...] = ()

    def name(self, relative: str) -> str:
        """Return the path as findings show it."""
        return f"{self.root}/{relative}" if self.root else relative


def load_ruleset(directory: Path) -> Ruleset:
    """Read, check and compile a policy folder. Raises UnusablePolicies with every finding; loads all or nothing."""
    ruleset, findings = compile_folder(read_folder(directory))
    if findings or ruleset is None:
        raise UnusablePolicies(findings)
    return ruleset


def load_bundle(bundle: str) -> Ruleset:
    """Rebuild a ruleset from the text kept with its version, so that old decisions replay. Raises UnusablePolicies."""
    ruleset, findings = compile_folder(Folder(root="", texts=json.loads(bundle)))
    if findings or ruleset is None:
        raise UnusablePolicies(findings)
    return ruleset


def read_folder(directory: Path) -> Folder:
    """Read the texts that decide: vocabulary, shared names, each area's policy. Follows no depth beyond the areas."""
    texts: dict[str, str] = {}
    findings: list[Finding] = []
    folders = directory.iterdir() if directory.is_dir() else ()
    areas = sorted(p for p in folders if p.is_dir() and p.name[0] not in "._" and p.name != SCHEMAS)
    if not directory.is_dir():
        fault = _at(str(directory), "no-policies", "there is no such folder")
        return Folder(root=str(directory), texts={}, findings=(fault,))
    if not areas:
        findings.append(_at(str(directory), "no-policies", "there is no policy here: an area is a folder"))
    if len(areas) > MAX_AREAS:
        findings.append(_at(str(directory), "too-large", f"more than {MAX_AREAS} areas"))
    shared = [path] if (path := directory / shorthand.SHARED).exists() else []
    for path in [directory / vocabulary.FILE, *shared, *(area / POLICY for area in areas[:MAX_AREAS])]:
        read = read_text(path)
        if isinstance(read, Finding):
            findings.append(read)
        else:
            texts[path.relative_to(directory).as_posix()] = read
    findings += _strays(directory, ROOT)
    findings += [stray for area in areas[:MAX_AREAS] for stray in _strays(area, BESIDE | {POLICY})]
    return Folder(root=str(directory), texts=texts, findings=tuple(findings))


def read_text(path: Path) -> str | Finding:
    """Read a policy text; a missing, oversized or undecodable file is a finding."""
    if path.exists() and not path.is_file():
        return _at(str(path), "missing-file", "is no file that could be read")
    try:
        with path.open("rb") as file:
            raw = file.read(source.MAX_BYTES + 1)
    except OSError as error:
        return _at(str(path), "missing-file", f"cannot be read: {error.strerror}")
    if len(raw) > source.MAX_BYTES:
        return _at(str(path), "too-large", f"larger than {source.MAX_BYTES // 1024} KiB")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return _at(str(path), "unparsable", "not UTF-8 text")


def compile_folder(folder: Folder) -> tuple[Ruleset | None, list[Finding]]:
    """Check and compile texts; gives the ruleset, or None, and every finding in the order of the files."""
    findings = list(folder.findings)
    trees = {relative: _tree(folder, relative, findings) for relative in sorted(folder.texts)}
    words = Fields(folder.name(vocabulary.FILE))
    root = trees.get(vocabulary.FILE)
    if root is None:
        return None, findings
    known = vocabulary.read_vocabulary(words, root)
    findings += words.findings
    policies = _policies(folder, trees, known, findings)
    findings += [_heavy(folder, area, rule) for area, rule in too_heavy(policies)]
    if findings:
        return None, findings
    content = {relative: source.plain(tree) for relative, tree in trees.items() if tree is not None}
    ruleset = Ruleset.of(
        policies,
        version=digest({"language": LANGUAGE, "content": content}),
        bundle=canonical(dict(folder.texts)).decode(),
        vocabulary=known,
    )
    return ruleset, []


def _policies(
    folder: Folder, trees: Mapping[str, source.Node | None], known: Vocabulary, findings: list[Finding]
) -> list[Policy]:
    """Read every area; what is wrong joins the findings."""
    shared = Fields(folder.name(shorthand.SHARED))
    if (tree := trees.get(shorthand.SHARED)) is not None:
        shorthand.read_shared(shared, tree)
    policies: list[Policy] = []
    for relative, tree in trees.items():
        if tree is None or relative in (vocabulary.FILE, shorthand.SHARED):
            continue
        fields = Fields(folder.name(relative), shorthand.names_beside(shared.names))
        policy = read_policy(fields, tree, relative.partition("/")[0], known)
        findings += [*fields.findings, *shorthand.own_names(fields.names, shared.names).unused()]
        policies += [] if policy is None else [policy]
    findings += [*shared.findings, *shared.names.unused()]
    return policies


def _heavy(folder: Folder, area: str, rule: Rule) -> Finding:
    message = f"with `{rule.name}` the rules and their variants ask more than {MAX_WEIGHT} questions in all"
    return Finding(
        path=folder.name(f"{area}/{POLICY}"),
        line=rule.line,
        column=rule.column,
        code="too-large",
        message=f"{message}; an expression counts for {EXPRESSION_WEIGHT}",
    )


def _tree(folder: Folder, relative: str, findings: list[Finding]) -> source.Node | None:
    try:
        return source.parse(folder.texts[relative], folder.name(relative))
    except source.SourceError as error:
        findings.append(error.finding)
        return None


def _strays(folder: Path, known: frozenset[str]) -> list[Finding]:
    # A misspelt file name must not switch a policy off in silence.
    return [
        _at(str(path), "unknown-file", f"only {', '.join(sorted(known))} are read here: rename or remove it")
        for path in (sorted(folder.iterdir()) if folder.is_dir() else ())
        if path.is_file() and path.suffix in (".yaml", ".yml") and path.name not in known
    ]


def _at(path: str, code: str, message: str) -> Finding:
    return Finding(path=path, line=1, column=1, code=code, message=message)
