"""Kleene's laws, over every value."""

import itertools

import pytest

from moderation.policy.truth import FALSE, TRUE, UNDETERMINED, Truth, both, either, opposite

PAIRS = list(itertools.product(Truth, repeat=2))
TRIPLES = list(itertools.product(Truth, repeat=3))


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_de_morgan_and_absorption(a, b):
    assert opposite(both((a, b))) is either((opposite(a), opposite(b)))
    assert opposite(either((a, b))) is both((opposite(a), opposite(b)))
    assert both((a, either((a, b)))) is a
    assert either((a, both((a, b)))) is a
    assert both((a, b)) is both((b, a))
    assert either((a, b)) is either((b, a))


@pytest.mark.parametrize(("a", "b", "c"), TRIPLES)
def test_distribution_and_association(a, b, c):
    assert both((a, either((b, c)))) is either((both((a, b)), both((a, c))))
    assert both((a, both((b, c)))) is both((a, b, c))
    assert either((a, either((b, c)))) is either((a, b, c))


@pytest.mark.parametrize("a", Truth)
def test_opposite_twice_is_itself(a):
    assert opposite(opposite(a)) is a


def test_what_is_not_known_is_neither_there_nor_not_there():
    assert either((UNDETERMINED, opposite(UNDETERMINED))) is UNDETERMINED
    assert both((UNDETERMINED, FALSE)) is FALSE
    assert either((UNDETERMINED, TRUE)) is TRUE


def test_nothing_at_all():
    assert both(()) is TRUE
    assert either(()) is FALSE
