"""YAML from strangers: read with places, or refused with a place; never slow, never an object."""

import time

import pytest

from moderation.policy.source import MAX_BYTES, MAX_DEPTH, Mapping, SourceError, parse, plain


def refuse(text: str) -> tuple[str, int, int]:
    with pytest.raises(SourceError) as refusal:
        parse(text, "policy.yaml")
    finding = refusal.value.finding
    return finding.code, finding.line, finding.column


def test_a_tree_keeps_its_places():
    root = parse("a: 1\nb:\n  - x\n  - {c: true}\n", "p")
    assert isinstance(root, Mapping)
    assert plain(root) == {"a": 1, "b": ["x", {"c": True}]}
    key, value = root.entries[1]
    assert (key.line, key.column) == (2, 1)
    assert (value.line, value.column) == (3, 3)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.80", 0.8),
        (".5", 0.5),
        ("-3", -3),
        ("true", True),
        ("null", None),
        ("~", None),
        # YAML 1.1 would make these false, true, 1800, 8 and a date.
        ("no", "no"),
        ("on", "on"),
        ("30:00", "30:00"),
        ("010", "010"),
        ("2026-01-01", "2026-01-01"),
        ("1e400", "1e400"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("0x10", "0x10"),
        ("9007199254740993", "9007199254740993"),
        ("'0.5'", "0.5"),
        ('"true"', "true"),
    ],
)
def test_scalars_follow_the_core_schema_and_fit_json(text, value):
    read = plain(parse(f"k: {text}", "p"))
    assert read == {"k": value}
    assert isinstance(read, dict)
    assert type(read["k"]) is type(value)


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("a: 1\nb: 2\na: 3\n", ("duplicate-key", 3, 1)),
        ("a: &x 1\n", ("alias", 1, 4)),
        ("a: *x\n", ("alias", 1, 4)),
        ("a: !!python/object/apply:os.system ['true']\n", ("tag", 1, 4)),
        ("a: !custom 1\n", ("tag", 1, 4)),
        ("? [a, b]\n: 1\n", ("wrong-type", 1, 3)),
        ("1: a\n", ("wrong-type", 1, 1)),
        ("a: 1\n---\nb: 2\n", ("many-documents", 2, 1)),
        ("", ("unparsable", 1, 1)),
        ("a: [1, 2\n", ("unparsable", 2, 1)),
        ("a: 'x\n", ("unparsable", 2, 1)),
        ("a:\n\t- 1\n", ("unparsable", 2, 1)),
        ("<<: {a: 1}\nb: \x00\n", None),
    ],
)
def test_what_is_refused_is_refused_with_its_place(text, refusal):
    found = refuse(text)
    if refusal is not None:
        assert found == refusal


def test_a_merge_key_is_a_key_like_any_other():
    assert plain(parse("<<: {a: 1}\n", "p")) == {"<<": {"a": 1}}


def test_a_bomb_is_met_early():
    laughs = "a: &a [x,x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)},*{chr(97 + n)}]\n" for n in range(20)
    )
    started = time.perf_counter()
    assert refuse(laughs)[0] == "alias"
    assert refuse("[" * 5_000)[0] == "too-deep"
    assert refuse("a: {" * 5_000)[0] == "too-deep"
    assert refuse("x" * (MAX_BYTES + 1))[0] == "too-large"
    assert refuse("k: " + "x" * 5_000)[0] == "too-large"
    assert refuse("- a\n" * 60_000)[0] == "too-large"
    assert time.perf_counter() - started < 5


def test_the_depth_limit_is_where_it_says():
    assert parse("[" * MAX_DEPTH + "]" * MAX_DEPTH, "p")
    assert refuse("[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2))[0] == "too-deep"
