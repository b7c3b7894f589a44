# SPDX-License-Identifier: GPL-2.0-or-later
"""Both ends of the connections that relay.sh and its like make.

talk.py serve ADDRESS PORT LOG    every service below, until killed; LOG gets what it saw
talk.py connect ADDRESS PORT      prints "connected", or the name of the error
talk.py SERVICE ADDRESS PORT      the client of a service; prints what came of it
"""
import errno
import os
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


# ------------------------------------------------------------------- services

class Server:
    """PORT + 0: half-close, PORT + 1: the server ends first, PORT + 2: the server resets, PORT + 3: the
    client does, PORT + 4: reads nothing, PORT + 5: echo."""

    def __init__(self, address, port, log):
        self.log = open(log, "a", buffering=1)
        services = [self.half, self.first, self.reset, self.is_reset, self.deaf, self.echo]
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
