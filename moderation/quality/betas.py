"""The beta distribution, for exact intervals of shares. Knows nothing of clips, people or rules."""

from collections.abc import Iterator
from math import exp, lgamma, log, log1p

#: Steps of a continued fraction that converges in dozens, and of a bisection that has a double's bits to find.
_MOST_TERMS, _HALVINGS = 500, 60
_TINY = 1e-300
_CLOSE = 1e-15


def beta_cdf(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b) for a, b > 0 (DLMF 8.17.22, by Lentz's method)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    # The fraction converges fast on this side of the mean only.
    if x > (a + 1) / (a + b + 2):
        return 1 - beta_cdf(1 - x, b, a)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)) / a
    return front * _fraction(_terms(x, a, b))


def beta_quantile(share: float, a: float, b: float) -> float:
    """Return the x with I_x(a, b) = `share`, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if beta_cdf(middle, a, b) < share else (low, middle)
    return (low + high) / 2


def _terms(x: float, a: float, b: float) -> Iterator[float]:
    for m in range(_MOST_TERMS):
        yield -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        n = m + 1
        yield n * (b - n) * x / ((a + 2 * n - 1) * (a + 2 * n))


def _fraction(terms: Iterator[float]) -> float:
    """Return 1 / (1 + d1 / (1 + d2 / (1 + ...)))."""
    value = c = 1.0
    d = 0.0
    for term in terms:
        d = 1 / _away_from_zero(1 + term * d)
        c = _away_from_zero(1 + term / c)
        value *= c * d
        if abs(c * d - 1) < _CLOSE:
            break
    return 1 / value


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
