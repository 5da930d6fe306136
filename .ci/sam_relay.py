"""Has a port of loopback within a container's network lead to the same port of this machine's: the local stack's issuer, whose name is that
address, listens nowhere else.

Usage: sam_relay.py <a process of the container> <port>
"""

import ctypes
import os
import socket
import sys
import threading

CLONE_NEWNET = 0x40000000


def enter(network):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(network, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "the network can't be entered")


def hand_on(one, other):
    try:
        while data := one.recv(65536):
            other.sendall(data)
    except OSError:
        pass
    finally:
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def main(process, port):
    here = os.open("/proc/self/ns/net", os.O_RDONLY)
    enter(os.open(f"/proc/{process}/ns/net", os.O_RDONLY))
    # A socket stays in the network that it was made in.
    listener = socket.create_server(("127.0.0.1", int(port)))
    enter(here)
    print("ready", flush=True)
    while True:
        client, _ = listener.accept()
        server = socket.create_connection(("127.0.0.1", int(port)))
        for ends in ((client, server), (server, client)):
            threading.Thread(target=hand_on, args=ends, daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
