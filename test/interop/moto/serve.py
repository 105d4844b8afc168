"""Runs moto's server on a free port of loopback until its standard input ends, as it does when a test is killed."""

import os
import sys
import threading


def end_with_parent():
    sys.stdin.buffer.read()
    os._exit(0)


threading.Thread(target=end_with_parent, daemon=True).start()

from moto.server import main  # noqa: E402: the thread must run even while this takes its time

main(["-H", "127.0.0.1", "-p", "0"])
