"""Many calls at the same time, one thread each, and what has become of them when the time is up.
What is called is for others.
"""

from __future__ import absolute_import

import collections
import threading

from xsraid.host import clock
from xsraid.text import PYTHON_2

if PYTHON_2:
    from Queue import Empty, Queue
else:
    from queue import Empty, Queue

LOOK_S = 0.2
# value: what the call returned; error: what it raised instead, or None; is_late: it had not ended
# in time, and is left to itself.
Ended = collections.namedtuple("Ended", "value error is_late")


def ask(calls, limit_s):
    """Make calls at the same time and return what became of each, an Ended, in their order. calls:
    functions without arguments.

    A thread that hangs keeps nobody waiting, not even the end of the program: a signal ends the
    wait. The kernel may give it to another thread, and
    then Python does not interrupt the wait of this one: so each is short.
    """
    results, ended = Queue(), {}
    for at, call in enumerate(calls):
        thread = threading.Thread(target=_run, args=(at, call, results))
        thread.daemon = True
        thread.start()
    deadline = clock.monotonic_s() + limit_s
    while len(ended) < len(calls):
        left_s = deadline - clock.monotonic_s()
        try:
            at, outcome = results.get(True, max(0.0, min(left_s, LOOK_S)))
            ended[at] = outcome
        except Empty:
            if left_s <= 0:
                break
    return [ended.get(at, Ended(None, None, True)) for at in range(len(calls))]


def _run(at, call, results):
    try:
        results.put((at, Ended(call(), None, False)))
    except Exception as error:  # noqa: BLE001 - whoever asked gets it
        results.put((at, Ended(None, error, False)))
