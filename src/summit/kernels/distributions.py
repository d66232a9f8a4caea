"""Tails and quantiles of the normal and of Student's distribution."""

from __future__ import annotations

import math
from statistics import NormalDist

_STEPS_MAX = 300
_CLOSE = 3e-15


def normal_two_sided(z: float) -> float:
    """The chance that a standard normal value is at least |z| away from 0."""
    return math.erfc(abs(z) / math.sqrt(2))


def normal_quantile(probability: float) -> float:
    """The value below which a standard normal one is with this chance."""
    return NormalDist().inv_cdf(probability)


def student_two_sided(t: float, freedom: float) -> float:
    """The chance that a Student value with so many degrees of freedom is at least |t| away from 0.

    Source: the regularized incomplete beta function by its continued fraction (Lentz).
    """
    if not t:
        return 1.0
    return _beta_regularized(freedom / (freedom + t * t), freedom / 2, 0.5)


def student_limit(tail: float, freedom: float) -> float:
    """The |t| that is passed with chance `tail`, 0 < tail < 1, on both sides together."""
    low, high = 0.0, 2.0
    while student_two_sided(high, freedom) > tail and high < 1e12:
        low, high = high, high * 2
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if student_two_sided(middle, freedom) > tail:
            low = middle
        else:
            high = middle
    return high


def _beta_regularized(x: float, a: float, b: float) -> float:
    if x >= 1:
        return 1.0
    if x <= 0:
        return 0.0
    log_front = (
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
        + a * math.log(x) + b * math.log1p(-x)
    )  # fmt: skip
    front = math.exp(log_front)
    if x < (a + 1) / (a + b + 2):
        return front * _beta_fraction(x, a, b) / a
    return 1 - front * _beta_fraction(1 - x, b, a) / b


def _beta_fraction(x: float, a: float, b: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1 - (a + b) * x / (a + 1)
    d = 1 / (d if abs(d) > tiny else tiny)
    value = d
    for m in range(1, _STEPS_MAX):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 + numerator * d
            d = 1 / (d if abs(d) > tiny else tiny)
            c = 1 + numerator / c
            c = c if abs(c) > tiny else tiny
            value *= c * d
        if abs(c * d - 1) < _CLOSE:
            break
    return value
