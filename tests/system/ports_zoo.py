#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Holds sockets of every kind, prints "ready", and ends with its standard input.

usage: ports_zoo.py OWN4 OTHER4 OWN6: addresses of this side and one at which nobody answers.
"""
import ctypes
import os
import socket
import struct
import sys
import threading

OWN4, OTHER4, OWN6 = sys.argv[1:4]
KEPT = []
LIBC = ctypes.CDLL(None, use_errno=True)


def keep(sock):
    KEPT.append(sock)
    return sock


def listen(addr, family=socket.AF_INET, v6only=None, protocol=0):
    sock = keep(socket.socket(family, socket.SOCK_STREAM, protocol))
    if v6only is not None:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
    sock.bind((addr, 0))
    sock.listen(16)
    return sock


def pair(server, to=None):
    client = keep(socket.socket(server.family if not to else socket.AF_INET, socket.SOCK_STREAM, server.proto))
    client.connect((to or server.getsockname()[0], server.getsockname()[1]))
    return client


def states(server):
    """Connections in each state that a quiet loopback can keep."""
    for _ in range(3):
        pair(server)
        keep(server.accept()[0])
    client = pair(server)
    server.accept()[0].close()              # CLOSE_WAIT here, an orphan in FIN_WAIT2 there
    keep(client)
    client = pair(server)
    accepted = server.accept()[0]
    accepted.shutdown(socket.SHUT_WR)       # FIN_WAIT2 with a holder
    keep(accepted)
    keep(client)
    client = socket.create_connection(server.getsockname())
    accepted = server.accept()[0]
    client.shutdown(socket.SHUT_WR)
    assert accepted.recv(1) == b""
    accepted.close()
    assert client.recv(1) == b""
    client.close()                          # TIME_WAIT
    pair(server)                            # nobody accepts it
    lost = keep(socket.socket())
    lost.setblocking(False)
    lost.connect_ex((OTHER4, 9))            # SYN_SENT


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff


def half_open(server):
    """A request: its sender never answers."""
    source, target = socket.inet_aton(OTHER4), socket.inet_aton(OWN4)
    head = struct.pack("!HHLLBBHHH", 7777, server.getsockname()[1], 1, 0, 0x50, 2, 1024, 0, 0)
    head = head[:16] + struct.pack("!H", checksum(source + target + struct.pack("!BBH", 0, 6, 20) + head)) + head[18:]
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 1, 0, 64, 6, 0, source, target)
    raw.sendto(ip + head, (OWN4, 0))


def datagrams():
    for family, addr in ((socket.AF_INET, OWN4), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::"),
                         (socket.AF_INET6, OWN6)):
        keep(socket.socket(family, socket.SOCK_DGRAM)).bind((addr, 0))
    keep(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)).connect((OWN4, 9))
    keep(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)).connect(("::1", 9))
    try:
        keep(socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136)).bind((OWN4, 0))
    except OSError:
        pass                                # a kernel without UDP-Lite
    keep(socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
    keep(socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58))


def multipath():
    try:
        server = listen(OWN4, protocol=262)
    except OSError:
        return
    pair(server)
    keep(server.accept()[0])


def in_flight():
    """A listener whose only descriptor is on its way."""
    left, right = socket.socketpair()
    keep(left), keep(right)
    sock = socket.socket()
    sock.bind((OWN4, 0))
    sock.listen()
    socket.send_fds(left, [b"x"], [sock.fileno()])
    sock.close()


def own_table(done, port):
    """A thread with descriptors of its own: one that its process has, too, and one that it has alone."""
    assert LIBC.unshare(0x400) == 0
    sock = socket.socket()
    sock.bind((OWN4, 0))
    sock.listen()
    port.append(sock.getsockname()[1])
    done.set()
    threading.Event().wait()


def main():
    server = listen(OWN4)
    states(server)
    half_open(server)
    pair(listen("::", socket.AF_INET6, 0), OWN4)
    listen("::", socket.AF_INET6, 1)
    listen(OWN6, socket.AF_INET6)
    listen("0.0.0.0")
    keep(socket.socket()).bind((OWN4, 0))   # bound, not listening
    keep(socket.socket())                   # no port: not to be seen
    keep(server.dup())
    bound = keep(socket.socket())
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
    bound.bind(("127.0.0.1", 0))
    bound.listen()
    datagrams()
    multipath()
    in_flight()
    hold = os.dup(0)
    child = os.fork()
    if child == 0:
        os.read(hold, 1)
        os._exit(0)
    done, port = threading.Event(), []
    threading.Thread(target=own_table, args=(done, port), daemon=True).start()
    assert done.wait(10)
    print("ready", os.getpid(), child, port[0], flush=True)
    os.read(hold, 1)
    os._exit(0)


main()
