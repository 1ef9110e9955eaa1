"""Several things done at once, each by a process of its own with a limit: what hangs on one dead
disk keeps nothing else from being done.
"""

from __future__ import absolute_import

import collections
import json
import os
import select
import signal
import time

import XenAPI

from xsraid.errors import XsraidError
from xsraid.host import clock
from xsraid.text import natively, printable

AT_ONCE = 8
LOOK_S = 0.02
# value: what it returned, None if it failed; error: why, as a sentence, None if it did not.
Outcome = collections.namedtuple("Outcome", "value error")


def each(host, act, items, limit_s, at_once=AT_ONCE):
    """Call act(item) for each item, up to at_once of them at a time; return their Outcomes in the
    order of the items.

    act: returns what JSON can hold; limit_s: for each. The lock that the caller holds is the
    caller's alone: what hangs in the kernel and cannot be killed does not keep it.
    """
    items, outcomes, running, begun = list(items), {}, {}, 0
    while len(outcomes) < len(items):
        while begun < len(items) and len(running) < at_once:
            running[begun] = _start(host, act, items[begun], clock.monotonic_s() + limit_s)
            begun += 1
        for number in sorted(running):
            outcome = _outcome(running[number], limit_s)
            if outcome is not None:
                outcomes[number] = outcome
                del running[number]
        if running:
            select.select([worker.pipe for worker in running.values()], [], [], LOOK_S)
    return [outcomes[number] for number in range(len(items))]


Worker = collections.namedtuple("Worker", "process pipe output deadline")


def _start(host, act, item, deadline):
    pipe, theirs = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            os.close(pipe)
            _work(host, act, item, theirs)
        finally:
            os._exit(0)
    os.close(theirs)
    return Worker(process, pipe, [], deadline)


def _work(host, act, item, pipe):
    """Do it, in a process of its own, and write down what came of it."""
    if host.lock_descriptor is not None:
        os.close(host.lock_descriptor)
        host.lock_descriptor = None
    try:
        outcome = [act(item), None]
    except XsraidError as error:
        outcome = [None, error.sentence]
    except XenAPI.Failure as error:
        outcome = [None, printable(" ".join(error.details))]
    except Exception as error:  # noqa: BLE001 - whoever asked gets it, as what it is
        outcome = [None, printable("%s: %s" % (type(error).__name__, error))]
    content = json.dumps(outcome).encode("ascii")
    while content:
        content = content[os.write(pipe, content) :]


def _outcome(worker, limit_s):
    """Return the Outcome of a worker that has ended or is ended now, None for one that goes on."""
    while select.select([worker.pipe], [], [], 0)[0]:
        piece = os.read(worker.pipe, 65536)
        if not piece:
            return _ended(worker, _understood(b"".join(worker.output)))
        worker.output.append(piece)
    if clock.monotonic_s() < worker.deadline:
        return None
    os.kill(worker.process, signal.SIGKILL)
    return _ended(worker, [None, "it took longer than %d s" % limit_s])


def _understood(content):
    try:
        return natively(json.loads(content.decode("ascii")))
    except ValueError:
        return [None, "it ended unexpectedly"]


def _ended(worker, outcome):
    os.close(worker.pipe)
    for _ in range(50):  # one that hangs in the kernel is left behind
        if os.waitpid(worker.process, os.WNOHANG)[0]:
            break
        time.sleep(LOOK_S)
    return Outcome(*outcome)
