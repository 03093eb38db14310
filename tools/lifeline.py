# SPDX-License-Identifier: MIT
"""No child outlives its parent, however that ends.

Two links. A process that we start asks the kernel, before it becomes another program, to be killed when we
end (`in_child`). And a script that make has started holds on to make (`hold`): make names itself in
PARAVANE_MAKE, since a parent that is gone already cannot be asked for.
"""

import ctypes
import os
import select
import signal
import sys
import threading

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


def end_with(parent, number):
    """This process gets the signal when its parent, whose number is given, ends; or at once if it has."""
    LIBC.prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def in_child(own_group=True):
    """A preexec_fn: the child dies with us. In a group of its own it takes no signals of the keyboard. It must be
    started by a thread that lives as long as we do: it is the thread's end that counts."""
    parent = os.getpid()

    def prepare():
        if own_group:
            os.setpgrp()
        end_with(parent, signal.SIGKILL)

    return prepare


def leave(number, _):
    """A signal that ends us, as an exception, so that files and children are cleaned up."""
    sys.exit(128 + number)


def watch(pidfd):
    """Thread: ends us when the process of the descriptor has ended."""
    select.select([pidfd], [], [])
    os.kill(os.getpid(), signal.SIGTERM)


def hold():
    """For the start of a script: signals clean up, and the end of the make that started us is ours."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    maker = os.environ.pop("PARAVANE_MAKE", "")
    if not maker.isdigit():
        return
    try:
        pidfd = os.pidfd_open(int(maker))
    except ProcessLookupError:
        sys.exit("make has ended")
    except OSError:  # an old kernel: the parent alone can be watched
        end_with(int(maker), signal.SIGTERM)
        return
    threading.Thread(target=watch, args=(pidfd,), daemon=True).start()
