#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether two backends do the same: what probe.c saw of one beside what it saw of the other.

    parity.py [--table FILE] [--broken] <JOBS    a test point a job; status 1 when one is not ok
    parity.py --self-test                        the statistics alone (parity_test.py)

With --broken every pair is known to differ, and one in which no difference is found is not ok.

A job is a line of words with tabs between them:

    NAME DIRECTION CHECKS NETEM ENGINE [BASE-NETEM BASE-ENGINE]

CHECKS are names of the functions below, with spaces between them. The others are files of the
probe: of the condition; and of what its times are compared with, which was sent at the same time
on links of its own: no condition for `constant`, a constant delay for others. What CHECKS do not
ask about must not be: without `lost` and its kin nothing may be missing, without `duplicated`
nothing may come twice, without `corrupt` no bit may be wrong.

Neither backend is run with a seed here, since netem has none before Linux 6.6. So a right pair may
fail by chance, and every bound is set for that to happen with a chance of less than ALPHA:

  independent events (lost, markov, duplicated, corrupt, marked)
      Given how many events both have together, the number of one of them is hypergeometric when
      the chance is the same (Fisher). Its two tails of ALPHA / 2 are summed exactly. A chain of
      which each step depends on the one before only is two such counts: behind a loss, and
      behind none.
  dependent events (chain, early, overtaken)
      A sum over a long sequence whose memory is short. It is cut into 100 blocks, which are as
      good as independent, and the blocks' means are compared (Welch's t). With 99 degrees of
      freedom, the fewest there can be, a t of STUDENT is passed less often than once in 10^11; the
      rest is for blocks that are not quite normal.
  distributions (spread)
      Kolmogorov and Smirnov's distance of two samples of n, which exceeds d with a chance of at
      most e exp(-n d^2) (Wei and Dudley 2012, for every n). Where packets keep their order a
      delay depends on those drawn in one range (longest - shortest) before it, and on no other: so
      every k-th packet, k intervals being that range, is independent. The distance of the
      whole is at most the mean of the k samples', each of n / k, so the chance is at most
      k e exp(-(n / k) d^2).
  times (constant, pace, slots)
      Medians. That of 1000 values is beyond the true quartiles, and that of 90 beyond the true
      first and last tenth, less often than once in 10^20, so the bound is made of those that
      were seen.

A machine adds lateness of its own, not the same with both. It is not guessed: the constant delay
that is measured at the same time has it, too. For `spread`, `overtaken` and `early` the delays of
the other backend's constant are added to either sample, packet by packet: netem's condition plus
the engine's constant is distributed as the engine's condition plus netem's constant, whatever the
latenesses are. What is left is that a timer may do better with one condition than with another. For
that a sample may be moved along the axis of time by the resolution, which is told: the slack
of both timers and a quarter of the distance of the quartiles of both constant delays. (With an even
jitter of 10 ms, 0.3 ms of it take 0.015 off a distance; with half the jitter that is 0.25.)
"""
import argparse
import math
import sys
from bisect import bisect_right, insort

ALPHA = 1e-10
STUDENT = 8.0
TIMER_NS = 50_000  # a process's timer slack


# ---------------------------------------------------------------- statistics

def log_choose(n, k):
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def fisher_range(n1, n2, both):
    """The counts (least, most) in the first of n1 that are no surprise when n1 + n2 have `both`."""
    first, last = max(0, both - n2), min(both, n1)
    total = log_choose(n1 + n2, both)

    def chance(k):
        return math.exp(log_choose(n1, k) + log_choose(n2, both - k) - total)

    low, tail = first, chance(first)
    while tail <= ALPHA / 2:
        low += 1
        tail += chance(low)
    high, tail = last, chance(last)
    while tail <= ALPHA / 2:
        high -= 1
        tail += chance(high)
    return low, high


def ks_bound(n, strands=1):
    """The distance that two samples of n, each of `strands` independent ones, do not exceed."""
    return math.sqrt(math.log(strands * math.e / ALPHA) / (n / strands))


def ks_distance(a, b, shift=0):
    """The greatest distance of the distributions, as one of them is moved by up to `shift`."""
    a, b = sorted(a), sorted(b)
    worst = 0.0
    for x, y in ((a, b), (b, a)):
        # How much more of x than of y is up to a value, even when y is moved there by shift.
        for i, v in enumerate(x):
            worst = max(worst, (i + 1) / len(x) - bisect_right(y, v + shift) / len(y))
    return worst


def quantile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def median(values):
    return quantile(values, 0.5)


def quartiles(values):
    return quantile(values, 0.75) - quantile(values, 0.25)


def block_means(values, blocks=100):
    size = len(values) // blocks
    return [sum(values[i * size:(i + 1) * size]) / size for i in range(blocks)]


def welch(a, b):
    """The difference of the means of a and b, and the deviation of that by their blocks."""
    def mean_and_variance(values):
        m = block_means(values)
        mean = sum(m) / len(m)
        return mean, sum((x - mean) ** 2 for x in m) / (len(m) - 1) / len(m)

    (ma, va), (mb, vb) = mean_and_variance(a), mean_and_variance(b)
    return ma, mb, math.sqrt(va + vb)


# ------------------------------------------------------------------- samples

class Sample:
    """A file of the probe: columns number, sent, arrived, intact and ce, in order of arrival."""

    def __init__(self, path=None, count=0, interval=0, frame=0, columns=((),) * 5):
        self.count, self.interval, self.frame = count, interval, frame
        self.number, self.sent, self.arrived, intact, ce = columns
        if path:
            with open(path, encoding="ascii") as f:
                self.count, self.interval, self.frame = map(int, f.readline().split()[1:])
                flat = list(map(int, f.read().split()))
            self.number, self.sent, self.arrived, intact, ce = (flat[i::5] for i in range(5))
        self.wrong = len(intact) - sum(intact)
        self.marked = sum(ce)
        times = [0] * self.count
        for n in self.number:
            times[n] += 1
        self.twice = sum(n > 1 for n in times)
        self.lost = [int(n == 0) for n in times]
        self.nlost = sum(self.lost)

    def delays(self):
        """By number; only for a sample of which nothing is missing."""
        d = [0] * self.count
        for n, s, a in zip(self.number, self.sent, self.arrived):
            d[n] = a - s
        return d

def extents(arrived):
    """By how many later ones each was overtaken (RFC 4737's n-reordering), by times of arrival."""
    e, seen = [0] * len(arrived), []
    for n in sorted(range(len(arrived)), key=arrived.__getitem__):
        e[n] = len(seen) - bisect_right(seen, n)
        insort(seen, n)
    return e


class Job:
    def __init__(self, netem, engine, *base):
        self.netem, self.engine, self.base = netem, engine, base

    def both(self, function):
        return function(self.netem), function(self.engine)


# -------------------------------------------------------------------- checks
# Each yields rows (what, netem's, engine's, bound, whether it holds), all but the last as text.

def fisher(what, first, second):
    """Two pairs (events, of how many)."""
    (k1, n1), (k2, n2) = first, second
    if not n1 or not n2:
        yield (what, f"of {n1}", f"of {n2}", "some", False)
        return
    low, high = fisher_range(n1, n2, k1 + k2)
    apart = max(abs(k / n1 - (k1 + k2 - k) / n2) for k in (low, high))
    yield (what, f"{k1 / n1:.3%} of {n1}", f"{k2 / n2:.3%} of {n2}", f"± {apart:.3%}",
           low <= k1 <= high)


def share(what, job, count):
    yield from fisher(what, *job.both(lambda s: (count(s), s.count)))


def lost(job, _):
    yield from share("lost", job, lambda s: s.nlost)


def duplicated(job, _):
    yield from share("came twice", job, lambda s: s.twice)


def corrupt(job, _):
    yield from share("with a wrong bit", job, lambda s: s.wrong)


def marked(job, _):
    yield from share("marked", job, lambda s: s.marked)


def means(what, a, b, allowed=0.0, form="{:.4f}"):
    ma, mb, deviation = welch(a, b)
    bound = STUDENT * deviation + allowed
    yield (what, form.format(ma), form.format(mb), "± " + form.format(bound),
           abs(ma - mb) <= bound)


def markov(job, _):
    """Losses that depend on the one before, and on nothing else."""
    def behind(sample, one):
        after = [y for x, y in zip(sample.lost, sample.lost[1:]) if x == one]
        return sum(after), len(after)

    for one, text in ((0, "lost behind one that passed"), (1, "lost behind one lost")):
        yield from fisher(text, *job.both(lambda s: behind(s, one)))
    runs = job.both(lambda s: s.nlost / max(1, behind(s, 0)[0]))
    yield ("lost", *job.both(lambda s: f"{s.nlost / s.count:.3%}"), "as the rows before", True)
    yield ("mean run of losses", *map("{:.3f}".format, runs), "as the rows before", True)


def chain(job, _):
    """Losses that depend on a hidden state: their share, and their chance behind another."""
    a, b = job.both(lambda s: s.lost)
    yield from means("lost", a, b, form="{:.3%}")
    pairs = [[x & y for x, y in zip(s, s[1:])] for s in (a, b)]
    losses = [s[:-1] for s in (a, b)]
    hits, of = [sum(p) for p in pairs], [sum(s) for s in losses]
    if not all(of):
        yield ("lost behind one lost", str(hits[0]), str(hits[1]), "some are lost", False)
        return
    # The ratio of two sums is compared by what a pair has more than the common ratio says.
    ratio = sum(hits) / sum(of)
    excess = [[p - ratio * x for p, x in zip(ps, ls)] for ps, ls in zip(pairs, losses)]
    bound = STUDENT * welch(*excess)[2] / (sum(of) / sum(map(len, losses)))
    c = [h / n for h, n in zip(hits, of)]
    yield ("lost behind one lost", f"{c[0]:.3%} of {of[0]}", f"{c[1]:.3%} of {of[1]}",
           f"± {bound:.3%}", abs(c[0] - c[1]) <= bound)
    runs = ["{:.3f}".format(1 / (1 - x)) if x < 1 else "no end" for x in c]
    yield ("mean run of losses", *runs, "as the row before", True)


def ms(ns):
    return f"{ns / 1e6:.3f} ms"


def constant(job, _):
    """A median delay. What a backend needs anyway may pass beside the delay, or behind it."""
    samples = [s.delays() for s in (job.netem, job.engine)]
    none = [s.delays() for s in job.base]
    bound = TIMER_NS + sum(map(median, none)) + sum(map(quartiles, samples + none))
    a, b = map(median, samples)
    yield ("median delay", ms(a), ms(b), f"± {ms(bound)}", abs(a - b) <= bound)


def levelled(job):
    """Delays of both with the lateness of the other added, and the resolution that is left."""
    a, b = job.both(Sample.delays)
    netem, engine = [s.delays() for s in job.base]
    return ([x + y for x, y in zip(a, engine)], [x + y for x, y in zip(b, netem)],
            2 * TIMER_NS + (quartiles(netem) + quartiles(engine)) // 4)


def spread(job, range_ms):
    """The distribution of delays. RANGE_MS is given where packets keep their order."""
    a, b, resolution = levelled(job)
    strands = 1
    if range_ms:
        strands = -(-int(range_ms) * 1_000_000 // job.netem.interval)
    centre = sum(median(s.delays()) for s in job.base)
    for q in (0.05, 0.25, 0.5, 0.75, 0.95):
        yield (f"{q:.0%} quantile over the constant delay", ms(quantile(a, q) - centre),
               ms(quantile(b, q) - centre), "as the distance", True)
    distance, bound = ks_distance(a, b, resolution), ks_bound(min(len(a), len(b)), strands)
    yield ("distance of the distributions", "0", f"{distance:.4f}",
           f"{bound:.4f}, resolution {ms(resolution)}", distance <= bound)


def ordered(job, _):
    a, b = job.both(lambda s: sum(x > y for x, y in zip(s.number, s.number[1:])))
    yield ("overtaken", str(a), str(b), "none", a == b == 0)


def overtaken(job, _):
    """By how many packets each was overtaken.

    In a time that is longer by the resolution, resolution / interval more packets may do so.
    """
    *delays, resolution = levelled(job)
    sent = [{n: t for n, t in zip(s.number, s.sent)} for s in (job.netem, job.engine)]
    a, b = [extents([s[n] + d for n, d in enumerate(ds)]) for s, ds in zip(sent, delays)]
    allowed = resolution / job.netem.interval
    yield from means("overtaken by, on average", a, b, allowed)
    yield from means("overtaken", [int(x > 0) for x in a], [int(x > 0) for x in b],
                     allowed, form="{:.2%}")


def early(job, below_ms):
    """The share of packets that skip the delay: with the constant delay added, below BELOW_MS."""
    limit = float(below_ms) * 1e6
    a, b, _ = levelled(job)
    yield from means("went at once", [int(d < limit) for d in a], [int(d < limit) for d in b],
                     form="{:.2%}")


def pace_of(times, lag):
    """(ns from one to the next, its bound) of times that should be even, by those `lag` apart.

    It is a median over all places to start from, so a few that are late do not matter.
    """
    took = [y - x for x, y in zip(times, times[lag:])]
    tenths = quantile(took, 0.9) - quantile(took, 0.1)
    return median(took) / lag, (tenths + TIMER_NS) / lag


def backlog(sample):
    """Arrivals since the last packet was sent on."""
    last = max(sample.sent)
    return [t for t in sample.arrived if t > last]


def pace(job, _):
    """Bit/s of a backlog, with the Ethernet header."""
    n, e = [pace_of(t, len(t) // 2) for t in job.both(backlog)]
    text = [f"{job.netem.frame * 8e9 / x[0]:.0f}" for x in (n, e)]
    yield ("bit/s", *text, f"± {(n[1] + e[1]) / n[0]:.3%}", abs(n[0] - e[0]) <= n[1] + e[1])


def fits(job, ms_each):
    """How many of a burst find room, at one packet in MS_EACH.

    Those that may leave before the last was sent, or taken by the backend, do not count.
    """
    def leaving(s):
        each = float(ms_each) * 1e6
        late = s.arrived[0] - s.sent[0] - each
        return (max(s.sent) - s.sent[0] + max(0, late)) / each

    a, b = job.both(lambda s: s.count - s.nlost)
    bound = 1 + int(max(job.both(leaving)))
    yield ("of a burst passed", str(a), str(b), f"± {bound}", abs(a - b) <= bound)


def slots(job, slot_ms):
    """A backlog that leaves in slots, SLOT_MS apart, beside a constant delay as long.

    The kernel counts a slot from when it got to the one before (get_slot_next() in sch_netem.c),
    so to each comes the lateness of its timer, which the constant delay has as well.
    """
    def size(times):
        first = [i for i, (x, y) in enumerate(zip(times, times[1:]), 1)
                 if y - x > float(slot_ms) * 1e6 / 2]
        return median([y - x for x, y in zip(first, first[1:])])

    both = job.both(backlog)
    sizes = [size(times) for times in both]
    paces = [pace_of(times[::n], 1) for times, n in zip(both, sizes)] # one of each slot
    n, e = paces
    late = max(0, median(job.base[0].delays()) - float(slot_ms) * 1e6)
    bound = n[1] + e[1] + late
    yield ("packets in a slot, median", *map(str, sizes), "the same", sizes[0] == sizes[1])
    yield ("from slot to slot", ms(n[0]), ms(e[0]), f"± {ms(bound)}",
           abs(n[0] - e[0]) <= bound)


CHECKS = {f.__name__: f for f in (lost, duplicated, corrupt, marked, markov, chain, constant,
                                  spread, ordered, overtaken, early, pace, fits, slots)}


def unasked(job, names):
    """What no check asks about, and hence must not be."""
    rows = [("lost", lambda s: s.nlost, {"lost", "markov", "chain", "fits"}),
            ("came twice", lambda s: s.twice, {"duplicated"}),
            ("with a wrong bit", lambda s: s.wrong, {"corrupt"}),
            ("marked", lambda s: s.marked, {"marked"})]
    for what, count, askers in rows:
        a, b = job.both(count)
        if not askers & names and (a or b):
            yield (what, str(a), str(b), "none", False)


def compare(job, checks):
    words = [w.partition("=")[::2] for w in checks.split()]
    rows = list(unasked(job, {name for name, _ in words}))
    if rows:
        return rows # delays of what is not there
    for name, value in words:
        rows += CHECKS[name](job, value)
    return rows


# ---------------------------------------------------------------------- main

def main(table, broken):
    status, samples = 0, {}

    def sample(path):
        if path not in samples:
            samples[path] = Sample(path)
        return samples[path]

    for line in sys.stdin:
        name, direction, checks, *paths = line.rstrip("\n").split("\t")
        try:
            rows = compare(Job(*map(sample, paths)), checks)
        except (OSError, ValueError, ArithmeticError, LookupError) as e:
            rows = [("the comparison", "", "", f"{type(e).__name__}: {e}", broken)]
        for row in rows:
            print(f"| `{name}` | {direction} |", " | ".join(row[:4]), "|", file=table)
        bad = [f"{what}: netem {a}, engine {b}, bound {bound}"
               for what, a, b, bound, holds in rows if not holds]
        if bool(bad) == broken:
            print(f"ok {name}, {direction}" + broken * f": told apart by {'; '.join(bad)}")
            continue
        status = 1
        why = "; ".join(bad) or "another condition is not told apart"
        print(f"not ok {name}, {direction} - {why}")
    return status


if __name__ == "__main__":
    words = argparse.ArgumentParser()
    words.add_argument("--self-test", action="store_true")
    words.add_argument("--broken", action="store_true")
    words.add_argument("--table", type=argparse.FileType("a"), default=sys.stderr)
    words = words.parse_args()
    if words.self_test:
        sys.dont_write_bytecode = True
        import parity_test
        sys.exit(parity_test.main())
    sys.exit(main(words.table, words.broken))
