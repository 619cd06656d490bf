# SPDX-License-Identifier: Apache-2.0
"""A command on a terminal of a given width, with what is typed there."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios


PATIENCE = 60.0  # seconds without a byte


def ended(process):
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        return False
    return True


def on_terminal(command, columns, environment, typed=""):
    """(exit status, what the terminal shows). `typed` is written once the command has asked something: its output ends with "] "."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True)
    os.close(theirs)
    shown = b""
    while select.select([ours], [], [], PATIENCE)[0]:
        try:
            part = os.read(ours, 65536)
        except OSError:  # EIO: nobody has the other end any more
            break
        if not part:
            break
        shown += part
        if typed and shown.endswith(b"] "):
            os.write(ours, typed.encode())
            typed = ""
    os.close(ours)
    if process.poll() is None and not ended(process):
        process.kill()
    return process.wait(), shown.decode().replace("\r\n", "\n")
