# SPDX-License-Identifier: GPL-2.0-or-later
"""The statistics of parity.py: known values, equal pairs, and pairs that are off by a factor."""
import contextlib
import io
import math
import random
import sys
import traceback

import parity
from parity import Job, Sample

MS = 1_000_000


def sample(rng, count, delay, lost=None, order=True, interval=8 * MS, late=0.3):
    """What the probe would see: delay() and the mean lateness in ms, lost() says whether."""
    rows, last = [], 0
    for n in range(count):
        sent = n * interval
        if lost and lost():
            continue
        at = sent + int(delay() * MS) + int(rng.expovariate(1 / late) * MS)
        last = at = max(at, last) if order else at
        rows.append((n, sent, at, 1, 0))
    rows.sort(key=lambda r: r[2])
    return Sample(count=count, interval=interval, frame=1014, columns=list(zip(*rows)) or ((),) * 5)


def gilbert(rng, p, r):
    """A chain that loses while it is bad."""
    bad = False

    def step():
        nonlocal bad
        bad = rng.random() >= r if bad else rng.random() < p
        return bad
    return step


def chain_of(rng, p_and_r):
    return gilbert(rng, *p_and_r)


def verdict(job, checks):
    return all(row[4] for row in parity.compare(job, checks))


def losses(seed, a, b, count, checks, make=lambda rng, p: lambda: rng.random() < p):
    rng = random.Random(seed)
    return verdict(Job(*(sample(rng, count, lambda: 1, make(rng, p)) for p in (a, b))), checks)


def delays(seed, a, b, checks, order=False, count=2000):
    """netem with delay a(rng) and little lateness, the engine with b(rng) and more of it."""
    rng = random.Random(seed)
    return verdict(Job(sample(rng, count, lambda: a(rng), None, order, late=0.1),
                       sample(rng, count, lambda: b(rng), None, order, late=0.6),
                       sample(rng, count, lambda: 50, late=0.1),
                       sample(rng, count, lambda: 50, late=0.6)), checks)


def even(jitter):
    return lambda rng: rng.uniform(50 - jitter, 50 + jitter)


def normal(jitter):
    return lambda rng: 50 + jitter * max(-4, min(4, rng.gauss(0, 1)))


def skips(share):
    return lambda rng: 0 if rng.random() < share else 50


# ---------------------------------------------------------------- known values

def fisher_is_exact():
    # Of 10 in 20 there are k in the first 10 with chance choose(10,k)^2 / choose(20,10); 3 to 7:
    # 2 (1 + 100 + 2025) / 184756 = 0.023, and with 14400 more 0.179.
    alpha, parity.ALPHA = parity.ALPHA, 0.05
    got = parity.fisher_range(10, 10, 10)
    parity.ALPHA = alpha
    assert got == (3, 7), got
    assert parity.fisher_range(10, 10, 0) == (0, 0)
    assert parity.fisher_range(10, 10, 20) == (10, 10)


def fisher_is_near_normal():
    low, high = parity.fisher_range(40000, 40000, 8000)
    z = (high - 4000) / math.sqrt(8000 / 4 * (1 - 8000 / 80000))
    assert 6.3 < z < 6.6 and low + high == 8000, (low, high, z) # 6.47 at 1e-10


def distance_is_known():
    assert parity.ks_distance([1, 2, 3, 4], [1, 2, 3, 4]) == 0
    assert parity.ks_distance([1, 2], [3, 4]) == 1
    assert parity.ks_distance([1, 2, 3, 4], [3, 4, 5, 6]) == 0.5
    assert parity.ks_distance([1, 2, 3, 4], [3, 4, 5, 6], 1) == 0.25
    assert parity.ks_distance([3, 4, 5, 6], [1, 2, 3, 4], 2) == 0


def bound_is_known():
    d = parity.ks_bound(2000)
    assert abs(math.e * math.exp(-2000 * d * d) / parity.ALPHA - 1) < 1e-6, d
    assert parity.ks_bound(2000, 4) > 2 * d


def extents_are_counted():
    assert parity.extents([1, 2, 3]) == [0, 0, 0]
    assert parity.extents([30, 10, 20]) == [2, 0, 0]
    assert parity.extents([10, 40, 20, 30]) == [0, 2, 0, 0]


def means_are_known():
    a = [float(i % 2) for i in range(1000)]
    ma, mb, deviation = parity.welch(a, [x + 1 for x in a])
    assert (ma, mb, deviation) == (0.5, 1.5, 0)


# ------------------------------------------------------------ alike, and not

def alike():
    for seed in range(5):
        assert losses(seed, 0.1, 0.1, 40000, "lost markov"), seed
        assert losses(seed, (.02, .3), (.02, .3), 30000, "markov chain", chain_of), seed
        assert delays(seed, even(10), even(10), "spread"), seed
        assert delays(seed, even(10), even(10), "spread=20 ordered", order=True), seed
        assert delays(seed, normal(10), normal(10), "spread overtaken"), seed
        assert delays(seed, skips(0.25), skips(0.25), "early=75 overtaken"), seed


def loss_of_8_for_10():
    assert not losses(1, 0.08, 0.10, 40000, "lost")
    assert not losses(2, 0.10, 0.08, 40000, "lost")


def bursts_of_2_for_3():
    # The same share: p / (p + r).
    for check in ("markov", "chain"):
        assert not losses(1, (.0228, 1 / 3), (.0342, 1 / 2), 30000, check, chain_of), check


def half_the_jitter():
    assert not delays(1, even(10), even(5), "spread")
    assert not delays(2, even(5), even(10), "spread")
    assert not delays(3, normal(10), normal(5), "spread")
    assert not delays(4, even(10), even(5), "spread=20", order=True)


def another_distribution():
    assert not delays(1, even(10), normal(10), "spread")


def another_centre():
    assert not delays(1, lambda _: 50, lambda _: 52, "spread")
    assert delays(1, lambda _: 50, lambda _: 50, "spread")


def less_reordering():
    assert not delays(1, skips(0.25), skips(0.12), "early=75")
    assert not delays(2, skips(0.25), skips(0.06), "overtaken")
    assert not delays(2, even(10), even(5), "overtaken")
    assert not delays(3, even(10), even(10), "ordered")


def nothing_is_lost_unasked():
    assert not losses(1, 0, 1e-3, 10000, "")
    assert losses(1, 0, 0, 10000, "")


def constant_delay():
    rng = random.Random(1)
    none = [sample(rng, 1000, lambda: 0) for _ in range(2)]
    twenty, other = (sample(rng, 1000, lambda: d) for d in (20, 22))
    assert verdict(Job(twenty, sample(rng, 1000, lambda: 20), *none), "constant")
    assert not verdict(Job(twenty, other, *none), "constant")


def backlog(each, together=1, count=300):
    """Sent at once; `together` leave each `each` ms."""
    rng, columns = random.Random(1), [[] for _ in range(5)]
    for n in range(count):
        at = int((n // together + 1) * each * MS + rng.expovariate(10) * MS)
        for column, value in zip(columns, (n, n, at, 1, 0)):
            column.append(value)
    columns[2].sort()
    return Sample(count=count, interval=1, frame=1014, columns=columns)


def what_is_missing_is_not_ok():
    stdin, sys.stdin = sys.stdin, io.StringIO("a\tup\tspread\t/nonexistent\t/nonexistent\n")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        status = parity.main(io.StringIO(), False)
    sys.stdin = stdin
    assert status == 1 and out.getvalue().startswith("not ok a, up - "), out.getvalue()


def another_rate():
    assert verdict(Job(backlog(8.112), backlog(8.112)), "pace")
    assert not verdict(Job(backlog(8.112), backlog(8.2)), "pace")
    even20 = [sample(random.Random(1), 300, lambda: 20) for _ in range(2)]
    assert verdict(Job(backlog(20, 3), backlog(20, 3), *even20), "slots=20")
    assert not verdict(Job(backlog(20, 3), backlog(20, 4), *even20), "slots=20")
    assert not verdict(Job(backlog(20, 3), backlog(21, 3), *even20), "slots=20")


TESTS = [v for v in list(globals().values())
         if getattr(v, "__module__", "") == __name__ and v.__code__.co_argcount == 0]


def main():
    print(f"1..{len(TESTS)}")
    status = 0
    for i, test in enumerate(TESTS, 1):
        try:
            test()
            print(f"ok {i} - {test.__name__}")
        except Exception: # any is a failed test
            traceback.print_exc(file=sys.stderr)
            status = 1
            print(f"not ok {i} - {test.__name__}")
    return status
