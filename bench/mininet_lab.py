# SPDX-License-Identifier: GPL-2.0-or-later
"""A lab of mininet's, for bench/labs.sh.

	mininet_lab.py single|linear N PAIRS

mininet's own topology of that name with kernel bridges as switches and no controller: nothing but
what ifconfig(8), ip(8) and brctl(8) make. Prints the ms that it took until it was up, the ms from
then until the last host's first answer to the first host, and the ms that a ping for each line of
PAIRS took ("3 17": from h3 to h17) with how many were answered. Then waits for a line on standard
input, takes all away again, and prints the ms which that took. Neither the start of Python nor its
imports are counted.
"""
import sys
import time

from mininet.net import Mininet
from mininet.nodelib import LinuxBridge
from mininet.topo import LinearTopo, SingleSwitchTopo

TOPOLOGIES = {"single": SingleSwitchTopo, "linear": LinearTopo}
TRIES = 120


def ms_since(begin):
    return (time.monotonic() - begin) * 1e3


def answered(net, a, b, seconds):
    """Whether host number b answers one ping of host number a."""
    out = net[f"h{a}"].cmd(f"ping -n -c 1 -W {seconds} {net[f'h{b}'].IP()}")
    return " 1 received" in out


def main():
    kind, n = sys.argv[1], int(sys.argv[2])
    with open(sys.argv[3], encoding="ascii") as f:
        pairs = [line.split() for line in f]

    begin = time.monotonic()
    net = Mininet(TOPOLOGIES[kind](k=n), switch=LinuxBridge, controller=None)
    net.start()
    print(f"{ms_since(begin):.3f}")

    begin = time.monotonic()
    if not any(answered(net, 1, n, 1) for _ in range(TRIES)):
        sys.exit("no way through the lab")
    print(f"{ms_since(begin):.3f}")

    begin = time.monotonic()
    good = sum(answered(net, a, b, 5) for a, b in pairs)
    print(f"{ms_since(begin):.3f} {good}", flush=True)

    sys.stdin.readline()
    begin = time.monotonic()
    net.stop()
    print(f"{ms_since(begin):.3f}")


main()
