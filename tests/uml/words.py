#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""words.py LAB WORDS: the netem lines that people write, given to tc(8) and to choppy.

To be run in a kernel that has netem; LAB is a lab with that backend, WORDS the program of words.c. tc
gets each line as people give it, add and then change, on a queue of its own of one device (those that
duplicate: on a device of their own, since some kernels want no other netem beside such a one); choppy
gets it as `choppy set LAB down --from-tc LINE`. Compared are the bytes that the kernel
tells of both qdiscs, and what `tc -j` says of the one with what `choppy show --tc` says of the other.
Every attribute stands alone, every two of different kinds stand together; then come lines
that tc refuses, and those that choppy refuses although tc takes them, with the reason.

Prints test points, then the coverage: how many of the equal lines have each value of netem other than
neutral. One that none has is a failure.
"""
import json
import socket
import struct
import subprocess
import sys

DEVICE = "words0"

# What may stand in a line, by kind: every form of every attribute. None needs another kind, but
# for what NEEDS says.
FORMS = {
    "limit": ["limit 77"],
    "delay": ["delay 100ms", "latency 250msec", "delay 100ms 20ms", "delay 100ms 20ms 25%",
              "delay 100ms 20ms distribution normal", "delay 100ms 20ms distribution pareto",
              "delay 100ms 20ms 25% distribution paretonormal",
              "delay 200ms 20ms distribution experimental"],
    "loss": ["loss 1%", "loss 0.3% 25%", "loss random 10%", "drop 5", "loss state 1%",
             "loss state 1% 20% 3% 40% 5%", "loss gemodel 1%", "loss gemodel 1% 10% 70% 0.1%"],
    "ecn": ["ecn"],
    "duplicate": ["duplicate 1%"],
    "corrupt": ["corrupt 0.1%", "corrupt 0.1% 25%"],
    "reorder": ["reorder 25%", "reorder 25% 50%", "gap 5 reorder 25% 50%"],
    "rate": ["rate 1mbit", "rate 125kbps", "rate 256kbit 20", "rate 40gbit", "rate 5mbit -14 48 5"],
    "slot": ["slot 800us", "slot 800us 1ms", "slot 800us 1ms packets 42 bytes 512",
             "slot distribution normal 20ms 2ms packets 3", "slot distribution pareto 20ms 2ms",
             "slot distribution paretonormal 20ms 2ms", "slot distribution experimental 20ms 2ms"],
}
NEEDS = {"ecn": "loss", "reorder": "delay"}
DEFAULT = {"loss": "loss 1%", "delay": "delay 100ms"}

# As they stand in the pages of tc-netem(8), of the Linux Foundation's wiki and others', in our own
# words: several kinds at once.
TOGETHER = [
    "",
    "delay 100ms 10ms 25% loss 0.3% 25% duplicate 1% corrupt 0.1%",
    "delay 10ms reorder 25% 50%",
    "delay 80ms 16ms distribution normal loss 1% limit 5000",
    "rate 2mbit delay 40ms loss 2% limit 60",
    "delay 5ms 1ms 10% distribution normal loss gemodel 1% 10% duplicate 1% corrupt 2% 3% "
    "reorder 4% 5% gap 6 rate 40gbit 1 2 3 slot 1ms 2ms packets 3 bytes 4000 ecn limit 5",
    # abbreviated
    "d 10ms 1ms 5% dist normal lo 1% co 2% li 5", "dup 1% del 10ms re 5% g 3 ra 1mbit",
    "la 10ms dr 1% e s 5ms", "lim 7 corr 1% rat 1mbit",
]

TC_REFUSES = [
    "delay", "delay fast", "loss", "loss 101%", "loss some", "loss state", "loss gemodel",
    "duplicate", "corrupt", "corrupt 1% 2% 3%", "reorder 25%", "delay 10ms gap 5",
    "distribution normal", "delay 10ms 1ms distribution nosuch", "rate", "rate fast", "limit",
    "limit many", "ecn", "slot", "slot distribution", "corupt 1%",
    "loss 1% loss 2%", "loss .5%", "delay 10ms reorder 0% gap 5",
]

# tc takes them; why choppy does not.
CHOPPY_REFUSES = {
    "delay 100": "a time needs its unit",
    "delay 10ms 5": "a time needs its unit",
    "delay 10ms 20ms": "packets cannot leave before they arrive",
    "delay 10ms 5ms distribution normal": "packets cannot leave before they arrive",
    "loss state 60% 10% 0% 100% 50%": "both go from good",
    "delay 10ms delay 20ms": "given twice",
    "limit 5 limit 6": "given twice",
    "loss 1e1": "a decimal percentage is due",
    "limit 0x10": "a whole decimal number is due",
    "rate 1mbit 0x14": "a whole decimal number is due",
    "rate 1e6": "a rate has the unit bit",
    "delay 10ms reorder 25% gap 0": "out of range",
    "rate 4bit": "out of range",
    "limit 10k": "a whole decimal number is due",
    "limit 0": "out of range",
    "rate 1mbit 20 48 -5": "cell-overhead",
    "rate 1mbit 0 0 5": "an overhead of cells needs their size",
    "rate 1001bit": "whole bytes a second",
    "slot 5ms packets 0": "out of range",
    "slot 0ns": "takes this for no slots",
}

# tc's own faults, which choppy does not repeat: what tc loses of the line.
TC_DROPS = {
    "duplicate 1% 25%": ("dup_corr", 25),
}

failed = False


def point(ok, name, why=""):
    global failed
    failed |= not ok
    print(f"ok {name}" if ok else f"not ok {name} - {why}")


# ------------------------------------------------------------- what the kernel holds

def fields(options):
    """The values of a netem's options, by name."""
    names = ["latency", "limit", "loss", "gap", "duplicate", "jitter"]
    values = dict(zip(names, struct.unpack_from("=6I", options)))
    layouts = {
        1: ("=3I", ["delay_corr", "loss_corr", "dup_corr"]),
        3: ("=2I", ["reorder", "reorder_corr"]),
        4: ("=2I", ["corrupt", "corrupt_corr"]),
        6: ("=IiIi", ["rate", "packet_overhead", "cell_size", "cell_overhead"]),
        7: ("=I", ["ecn"]),
        8: ("=Q", ["rate64"]),
        10: ("=q", ["latency64"]),
        11: ("=q", ["jitter64"]),
        12: ("=qqiiqq", ["slot_min", "slot_max", "slot_packets", "slot_bytes", "slot_dist_delay",
                         "slot_dist_jitter"]),
    }
    for type_, data in attributes(options[24:]):
        if type_ == 5:
            model, inner = attributes(data)[0]
            values.update(zip(["p13", "p31", "p32", "p14", "p23"] if model == 1
                              else ["p", "r", "h", "k1"],
                              struct.unpack(f"={len(inner) // 4}I", inner)))
        elif type_ in layouts:
            layout, names = layouts[type_]
            values.update(zip(names, struct.unpack(layout, data)))
    return values


ALL = ["limit", "latency64", "jitter64", "delay_corr", "loss", "loss_corr", "p13", "p31", "p32", "p14",
       "p23", "p", "r", "h", "k1", "ecn", "duplicate", "corrupt", "corrupt_corr", "reorder",
       "reorder_corr", "gap", "rate", "rate64", "packet_overhead", "cell_size", "cell_overhead",
       "slot_min", "slot_max", "slot_packets", "slot_bytes", "slot_dist_delay", "slot_dist_jitter"]
NEUTRAL = {"limit": 1000}


def attributes(data):
    found = []
    while len(data) >= 4:
        length, type_ = struct.unpack_from("=HH", data)
        found.append((type_ & 0x3fff, data[4:length]))
        data = data[(length + 3) & ~3:]
    return found


def dump():
    """The options of every netem but the lab's, by device and place."""
    names = dict(socket.if_nameindex())
    found = {}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as s:
        s.send(struct.pack("=IHHII", 36, 38, 0x301, 1, 0) +
               struct.pack("=BBHiIII", 0, 0, 0, 0, 0, 0, 0))
        while True:
            data = s.recv(1 << 20)
            while len(data) >= 16:
                length, type_ = struct.unpack_from("=IH", data)
                if type_ == 3:  # NLMSG_DONE
                    return found
                ifindex, _, parent = struct.unpack_from("=iII", data, 20)
                options = dict(attributes(data[36:length])).get(2)
                if options and len(options) >= 24:
                    found[names[ifindex], parent] = options
                data = data[(length + 3) & ~3:]


# ------------------------------------------------------------------ the two sides' words

def from_json(options):
    """What `tc -j` says, flat: name, number."""
    flat = {}
    for key, value in options.items():
        if isinstance(value, dict):
            for inner, number in value.items():
                flat[f"{key} {inner}"] = float(number)
        else:
            flat[key] = float(value)
    return {k: v for k, v in flat.items() if v}


def number(word):
    for unit, scale in (("%", .01), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9), ("bit", 1 / 8),
                        ("s", 1)):
        if word.endswith(unit):
            return float(word[:-len(unit)]) * scale
    return float(word)


PLACES = {
    "limit": ["limit"], "delay": ["delay delay", "delay jitter", "delay correlation"],
    "loss": ["loss-random loss", "loss-random correlation"],
    "loss state": [f"loss-state {p}" for p in ("p13", "p31", "p32", "p23", "p14")],
    "loss gemodel": [f"loss-gemodel {p}" for p in ("p", "r", "1-h", "1-k")],
    "duplicate": ["duplicate duplicate", "duplicate correlation"],
    "corrupt": ["corrupt corrupt", "corrupt correlation"],
    "reorder": ["reorder reorder", "reorder correlation"], "gap": ["gap"],
    "rate": ["rate rate", "rate packetoverhead", "rate cellsize", "rate celloverhead"],
    "slot": ["slot min-delay", "slot max-delay"],
    "slot distribution": ["slot distribution", "slot jitter"],
    "packets": ["slot packets"], "bytes": ["slot bytes"],
}


def from_words(text):
    """What `choppy show --tc` says, in the same form."""
    flat = {}
    words = text.split()
    places = iter(())
    key = None
    while words:
        word = words.pop(0)
        if word == "ecn":
            flat["ecn"] = 1.0
        elif word == "distribution":
            name = words.pop(0)
            if key == "slot":
                places = iter(PLACES["slot distribution"])
            flat.setdefault("tables", []).append(name)
        elif word in ("state", "gemodel"):
            places = iter(PLACES[f"loss {word}"])
        elif word in PLACES:
            key = word
            places = iter(PLACES[word])
        else:
            flat[next(places)] = number(word)
    tables = flat.pop("tables", [])
    return {k: v for k, v in flat.items() if v}, tables


def tables_of(line):
    """The tables that a line names; tc -j does not tell them."""
    words = line.split()
    return [words[i + 1] for i, w in enumerate(words) if w in ("distribution", "dist")]


def same_words(a, b):
    """tc has six figures of a number."""
    return a.keys() == b.keys() and all(abs(a[k] - b[k]) <= 2e-5 * abs(a[k]) for k in a)


# --------------------------------------------------------------------------- lines

def lines():
    found = list(TOGETHER)
    kinds = list(FORMS)
    for i, kind in enumerate(kinds):
        for form in FORMS[kind]:
            base = [kind] if kind not in NEEDS else [NEEDS[kind], kind]
            found.append(" ".join([DEFAULT[k] for k in base[:-1]] + [form]))
            for other in kinds[i + 1:]:
                for second in FORMS[other]:
                    need = [NEEDS[k] for k in (kind, other) if k in NEEDS]
                    need = [DEFAULT[k] for k in need if k not in (kind, other)]
                    found.append(" ".join(need + [form, second]))
    # Last what gives the lab's link a table of slots, which it can only overlay later.
    return sorted(dict.fromkeys(found), key=lambda line: "slot distribution" in line)


def tc(command, words=""):
    return subprocess.run(["tc"] + command.split() + words.split(), capture_output=True, text=True)


def place(number, line):
    """Device, parent and the words of tc for line `number`."""
    if " dup" in f" {line}":
        return f"own{number}", 0xffffffff, f"dev own{number} root"
    return DEVICE, 0x10000 + number, f"dev {DEVICE} parent 1:{number:x}"


def add_device(name, queues=1):
    subprocess.run(["ip", "link", "add", name, "numtxqueues", str(queues), "type", "dummy"],
                   check=True)
    subprocess.run(["ip", "link", "set", name, "up"], check=True)


def give_to_tc(all_lines):
    """Each line to its place; what tc says when it refuses one."""
    add_device(DEVICE, len(all_lines))
    tc(f"qdisc add dev {DEVICE} root handle 1: mq")
    batch = ""
    for i, line in enumerate(all_lines, 1):
        device, _, words = place(i, line)
        if device != DEVICE:
            add_device(device)
        words += f" handle {i + 0x1000:x}:"
        batch += f"qdisc add {words} netem\nqdisc change {words} netem {line}\n"
    return subprocess.run(["tc", "-force", "-batch", "-"], input=batch, capture_output=True,
                          text=True).stderr


def give_to_choppy(lab, program, all_lines):
    out = subprocess.run([program, lab], input="".join(f"{x}\n" for x in all_lines),
                         capture_output=True, text=True, check=True).stdout
    return [row.split("\t") for row in out.splitlines()]


def main():
    lab, program = sys.argv[1:]
    equal = lines()
    said = give_to_tc(equal)
    point(said == "", f"tc takes all {len(equal)} lines", said[:300])
    held = dump()
    told = {q["handle"]: q["options"]
            for q in json.loads(tc("-j qdisc show").stdout) if q["kind"] == "netem"}
    seen = dict.fromkeys(ALL, 0)
    bad_bytes, bad_words = [], []
    answers = give_to_choppy(lab, program, equal)
    for i, (line, answer) in enumerate(zip(equal, answers), 1):
        theirs = held.get(place(i, line)[:2], b"")
        if answer[0] != "ok":
            bad_bytes.append(f"'{line}': {answer[1]}")
            continue
        ours = bytes.fromhex(answer[2])
        if ours != theirs:
            a, b = fields(theirs), fields(ours)
            bad_bytes.append(f"'{line}': " + ", ".join(
                f"{k} {a.get(k)} by tc, {b.get(k)} by choppy"
                for k in sorted(a.keys() | b.keys()) if a.get(k) != b.get(k)))
            continue
        for name, value in fields(ours).items():
            if name in seen and value != NEUTRAL.get(name, 0):
                seen[name] += 1
        x, (y, tables) = from_json(told[f"{i + 0x1000:x}:"]), from_words(answer[1])
        if not same_words(x, y) or sorted(tables) != sorted(tables_of(line)):
            bad_words.append(f"'{line}': {x} by tc -j, {y} by choppy show --tc")
    point(len(answers) == len(equal), "choppy answers all of them", f"{len(answers)} answers")
    point(not bad_bytes, f"{len(equal)} lines: the kernel holds the same by tc and by choppy",
          "; ".join(bad_bytes[:5]))
    point(not bad_words, f"{len(equal)} lines: tc -j and choppy show --tc say the same",
          "; ".join(bad_words[:5]))

    for line, answer in zip(TC_REFUSES, give_to_choppy(lab, program, TC_REFUSES)):
        taken = tc(f"qdisc change dev {DEVICE} parent 1:1 handle 1001: netem", line).returncode == 0
        point(not taken and answer[0] == "no", f"refused by both: {line}",
              f"tc {'took' if taken else 'refused'} it, choppy: {answer}")
    rows = give_to_choppy(lab, program, CHOPPY_REFUSES)
    for (line, why), answer in zip(CHOPPY_REFUSES.items(), rows):
        taken = tc(f"qdisc change dev {DEVICE} parent 1:1 handle 1001: netem", line).returncode == 0
        point(taken and answer[0] == "no" and why in answer[1],
              f"taken by tc, refused by choppy: {line}: {why}",
              f"tc {'took' if taken else 'refused'} it, choppy: {answer}")
    add_device("drops")
    for line, (name, percent) in TC_DROPS.items():
        tc("qdisc replace dev drops root netem", line)
        theirs = fields(dump()["drops", 0xffffffff])[name]
        ours = fields(bytes.fromhex(give_to_choppy(lab, program, [line])[0][2]))[name]
        point(theirs == 0 and ours == round(percent / 100 * 0xffffffff),
              f"tc drops {name} of: {line}", f"{theirs} by tc, {ours} by choppy")

    seen["dup_corr"] = len(TC_DROPS)
    tables = {name for line in equal for name in tables_of(line)}
    for what in ("latency and jitter in ticks: as latency64, jitter64",
                 "tables (" + ", ".join(sorted(tables)) + "): no kernel tells them, test_netem "
                 "compares what is sent", "seed: Linux 6.6"):
        print(f"# not told here: {what}", file=sys.stderr)
    for name, n in seen.items():
        print(f"# {name:18} {n:4} lines", file=sys.stderr)
    missing = [name for name, n in seen.items() if not n]
    point(not missing, f"coverage: {len(seen) - len(missing)} of {len(seen)} values of netem, "
          f"{100 * (len(seen) - len(missing)) // len(seen)}%", f"none has {missing}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
