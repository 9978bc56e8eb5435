"""`python -I -S forked_python.py SOCKET ...` stands for `python ...`, with a process that a server has forked.

It has this process's streams, folder and variables, gets its SIGINT and SIGTERM, and ends with it; its exit status
becomes this one's.
"""

import array
import json
import os
import signal
import socket
import sys

FORWARDED = signal.SIGINT, signal.SIGTERM

if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
    folder = os.getcwd()  # noqa: PTH109  an import of pathlib takes as long as all else here
    asked = {"words": sys.argv[2:], "folder": folder, "environment": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(sys.argv[1])
        streams = array.array("i", [0, 1, 2])
        server.sendmsg([b"s"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
        with server.makefile("rwb") as file:
            file.write(json.dumps(asked).encode() + b"\n")
            file.flush()
            program = int(file.readline())
            for number in FORWARDED:
                signal.signal(number, lambda number, _: os.kill(program, number))
            signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
            told = file.readline()
    sys.exit(int(told) if told else "the server of Python died")
