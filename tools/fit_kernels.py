#!/usr/bin/env python3
"""Fits the polynomials in src/embed/kernels_math.h; prints them with their errors. usage: fit_kernels.py

exp2: 2^f on [-1/2, 1/2]. GELU: log2 of the upper tail of the normal distribution, so that
gelu(x) = max(x, 0) - |x| * 2^p(|x|); the tail is smooth in the logarithm, and no division is needed. The short
forms, for results that are rounded to bf16, or to a 255th of their row, at once: gelu(x) = max(x, 0) - |x| * p(|x|).
Both by Lawson's iteration (reweighted least squares), which ends near the minimax polynomial.
"""
import math

import numpy as np

HALF_END = 4.5  # where the short form stops: what is left there is below its error
BYTE_END = 4.0  # likewise
TAIL_END = 6.0  # beyond it |x| * tail < 6e-9, less than a rounding of the sum it goes into


def lawson(x, y, weight, degree, rounds=200):
    basis = np.polynomial.chebyshev.chebvander(2 * (x - x[0]) / (x[-1] - x[0]) - 1, degree)
    w = np.ones_like(x)
    best = None
    for _ in range(rounds):
        s = np.sqrt(w) * weight
        c, *_ = np.linalg.lstsq(basis * s[:, None], y * s, rcond=None)
        error = np.abs((basis @ c - y) * weight)
        if best is None or error.max() < best[0]:
            best = (error.max(), c)
        w = w * error
        w /= w.sum()
    series = np.polynomial.chebyshev.Chebyshev(best[1], domain=[x[0], x[-1]])
    return series.convert(kind=np.polynomial.Polynomial).coef, best[0]


def show(name, coefficients, error):
    print("%s: largest error %.2e" % (name, error))
    for i, c in enumerate(coefficients):
        print("    %2d: %sf" % (i, repr(float(np.float32(c)))))


def main():
    f = np.linspace(-0.5, 0.5, 4001)
    show("exp2", *lawson(f, 2.0 ** f, 2.0 ** -f, 6))
    u = np.linspace(0.0, TAIL_END, 12001)
    tail = np.array([0.5 * math.erfc(v / math.sqrt(2)) for v in u])
    weight = u * tail * math.log(2) + 1e-12
    show("gelu tail", *lawson(u, np.log2(tail), weight, 9))
    for name, end, degree in (("half", HALF_END, 9), ("byte", BYTE_END, 6)):
        v = np.linspace(end / 6000, end, 6000)
        show("gelu tail, " + name, *lawson(v, np.array([0.5 * math.erfc(x / math.sqrt(2)) for x in v]), v, degree))


if __name__ == "__main__":
    main()
