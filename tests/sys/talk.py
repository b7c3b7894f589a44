# SPDX-License-Identifier: GPL-2.0-or-later
"""Both ends of the connections that relay.sh and its like make.

talk.py serve ADDRESS PORT LOG    every service below, until killed; LOG gets what it saw
talk.py connect ADDRESS PORT      prints "connected", or the name of the error
talk.py SERVICE ADDRESS PORT      the client of a service; prints what came of it
"""
import errno
import os
import select
import selectors
import socket
import struct
import sys
import threading
import time

IP_RECVERR, IPV6_RECVERR = 11, 25 # of linux/in.h, in6.h
RESET = struct.pack("ii", 1, 0)


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def client(address, port):
    s = socket.socket(family(address), socket.SOCK_STREAM)
    s.connect((address, port))
    return s


def read_all(s):
    total = 0
    while True:
        data = s.recv(65536)
        if not data:
            return total
        total += len(data)


def abort(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    s.close()


def give_urgent(s):
    s.sendall(b"before")
    s.send(b"!", socket.MSG_OOB)
    s.sendall(b"behind" * 1000 + b".")


def take_urgent(s):
    """The urgent byte, which must be taken before what is behind it, and how much else came."""
    s.settimeout(20)
    _, _, urgent = select.select([], [], [s], 20)
    byte = s.recv(1, socket.MSG_OOB) if urgent else b"?"
    data = b""
    while not data.endswith(b"."):
        more = s.recv(65536)
        if not more:
            break
        data += more
    return "%s %d %s" % (byte.decode(), len(data), data.startswith(b"beforebehind"))


# ------------------------------------------------------------------- services

class Server:
    """PORT + 0: half-close, PORT + 1: the server ends first, PORT + 2: the server resets, PORT + 3: the
    client does, PORT + 4: reads nothing, PORT + 5: echo, PORT + 6: urgent data, both ways, PORT + 7: reads,
    and logs how that ended."""

    def __init__(self, address, port, log):
        self.log = open(log, "a", buffering=1)
        services = [self.half, self.first, self.reset, self.is_reset, self.deaf, self.echo, self.urgent,
                    self.reads]
        for i, service in enumerate(services):
            s = socket.socket(family(address), socket.SOCK_STREAM)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((address, port + i))
            s.listen(4096)
            threading.Thread(target=self.accept, args=(s, service), daemon=True).start()
        self.udp(address, port)

    def accept(self, listener, service):
        while True:
            s, _ = listener.accept()
            threading.Thread(target=service, args=(s,), daemon=True).start()

    def half(self, s):
        n = read_all(s)
        s.sendall(b"got %d" % n)
        s.close()

    def first(self, s):
        s.sendall(b"x" * 100000)
        s.shutdown(socket.SHUT_WR)
        self.log.write("first: %d after the end\n" % read_all(s))
        s.close()

    def reset(self, s):
        s.recv(1)
        abort(s)

    def is_reset(self, s):
        s.sendall(b"x")
        try:
            s.recv(1)
            self.log.write("is_reset: end\n")
        except OSError as e:
            self.log.write("is_reset: %s\n" % errno.errorcode[e.errno])
        s.close()

    def deaf(self, s):
        self.kept = s

    def echo(self, s):
        while True:
            data = s.recv(65536)
            if not data:
                break
            s.sendall(data)
        s.close()

    def urgent(self, s):
        s.sendall(b"%40s" % take_urgent(s).encode())
        give_urgent(s)
        s.close()

    def reads(self, s):
        s.sendall(b"x")
        try:
            self.log.write("reads: end behind %d\n" % read_all(s))
        except OSError as e:
            self.log.write("reads: %s\n" % errno.errorcode[e.errno])

    def udp(self, address, port):
        """Echo, with the sender's port before it."""
        for p in (port, port + 1):
            s = socket.socket(family(address), socket.SOCK_DGRAM)
            s.bind((address, p))
            threading.Thread(target=self.udp_echo, args=(s,), daemon=True).start()

    def udp_echo(self, s):
        while True:
            data, peer = s.recvfrom(65536)
            s.sendto(b"%d " % peer[1] + data, peer)


# -------------------------------------------------------------------- clients

def connect(address, port):
    try:
        s = socket.socket(family(address), socket.SOCK_STREAM)
        s.settimeout(float(os.environ.get("TALK_TIMEOUT", "20")))
        s.connect((address, port))
        print("connected")
    except socket.timeout:
        print("timed out")
    except OSError as e:
        print(errno.errorcode[e.errno])


def half(address, port):
    s = client(address, port)
    s.sendall(b"y" * 300000)
    s.shutdown(socket.SHUT_WR)
    print(s.recv(100).decode())


def first(address, port):
    s = client(address, port + 1)
    n = read_all(s)
    s.sendall(b"z" * 50000)
    s.close()
    print("got", n)


def reset(address, port):
    s = client(address, port + 2)
    s.sendall(b"x")
    try:
        s.recv(1)
        print("end")
    except OSError as e:
        print(errno.errorcode[e.errno])


def is_reset(address, port):
    s = client(address, port + 3)
    s.recv(1)
    abort(s)


def urgent(address, port):
    s = client(address, port + 6)
    give_urgent(s)
    theirs = s.recv(40, socket.MSG_WAITALL).decode().strip()
    print("%s / %s" % (theirs, take_urgent(s)))


def cut_short(address, port):
    """Send for ever, and say so when the first of it was asked for."""
    s = client(address, port + 7)
    s.recv(1)
    while True:
        s.sendall(b"x" * 65536)
        print("sends", flush=True)


def whole_datagrams(address, port):
    """1400 bytes that nobody may cut up: what is said of the second."""
    s = socket.socket(family(address), socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_IP, 10, 2)  # IP_MTU_DISCOVER, IP_PMTUDISC_DO
    s.settimeout(2)
    s.connect((address, port))
    for i in range(2):
        try:
            s.send(b"x" * 1400)
            got = "came" if len(s.recv(65536)) >= 1400 else "?"
        except socket.timeout:
            got = "timed out"
        except OSError as e:
            got = errno.errorcode[e.errno]
    print(got)


def one_hop(address, port):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_IP, socket.IP_TTL, 1)
    s.settimeout(20)
    try:
        s.connect((address, port))
        print("connected")
    except OSError as e:
        print(errno.errorcode[e.errno])


def strange(address, port):
    """An ICMP timestamp request and a packet of SCTP: whoever answers. Needs root in the node."""
    answers = []
    stamp = b"\x0d\0\xf1\xff" + b"\0\1\0\0" + bytes(12)
    for protocol, packet in ((socket.IPPROTO_ICMP, stamp), (132, bytes(32))):
        s = socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol)
        icmp = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        s.sendto(packet, (address, 0))
        icmp.settimeout(1)
        try:
            data, peer = icmp.recvfrom(2048)
            answers.append("%s %d" % (peer[0], data[20]))
        except socket.timeout:
            pass
    print(answers or "silence")


def deaf(address, port):
    """Send until nobody takes any more; how many MiB that were, and let go at the end of stdin."""
    s = client(address, port + 4)
    s.setblocking(False)
    total, quiet = 0, 0
    while quiet < 20:
        try:
            total += s.send(b"x" * 65536)
            quiet = 0
        except BlockingIOError:
            quiet += 1
            time.sleep(0.02)
    print(total >> 20, flush=True)
    sys.stdin.read()


def many(address, port, count=1000):
    """Open @count, have each echo twice; then be idle until the end of stdin."""
    socks = []
    for i in range(count):
        s = socket.socket(family(address), socket.SOCK_STREAM)
        s.setblocking(False)
        s.connect_ex((address, port + 5))
        socks.append(s)
    sel = selectors.DefaultSelector()
    for i, s in enumerate(socks):
        sel.register(s, selectors.EVENT_WRITE, i)
    answered = 0
    while answered < count:
        events = sel.select(20)
        if not events:
            break
        for key, mask in events:
            s, text = key.fileobj, b"%06d" % key.data
            if mask & selectors.EVENT_WRITE:
                s.sendall(text)
                sel.modify(s, selectors.EVENT_READ, key.data)
            elif s.recv(6) == text:
                answered += 1
                sel.unregister(s)
    print(answered, flush=True)
    sys.stdin.read()


def udp(address, port):
    """From one socket to two ports: who answers, and by which of our ports they know us."""
    s = socket.socket(family(address), socket.SOCK_DGRAM)
    s.settimeout(20)
    known = []
    for p in (port, port + 1):
        for size in (10, 1400, 8000):
            s.sendto(b"u" * size, (address, p))
            data, peer = s.recvfrom(65536)
            mine, _, rest = data.partition(b" ")
            known.append(mine)
            assert peer[:2] == (address, p), peer
            assert rest == b"u" * size, len(rest)
    print("one" if len(set(known)) == 1 else known)


def udp_refused(address, port):
    s = socket.socket(family(address), socket.SOCK_DGRAM)
    if family(address) == socket.AF_INET:
        s.setsockopt(socket.SOL_IP, IP_RECVERR, 1)
    else:
        s.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
    s.settimeout(20)
    s.connect((address, port))
    try:
        s.send(b"x")
        s.recv(1)
        print("answered")
    except socket.timeout:
        print("timed out")
    except OSError as e:
        print(errno.errorcode[e.errno])


def main():
    what, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if what == "serve":
        Server(address, port, sys.argv[4])
        threading.Event().wait()
    else:
        globals()[what](address, port)


main()
