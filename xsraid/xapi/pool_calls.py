"""The plugin's functions on many hosts of the pool at once, each carried there by XAPI's own
host.call_plugin.
"""

from __future__ import absolute_import

import time

import XenAPI

from xsraid.host import clock
from xsraid.text import native

PLUGIN = "xsraid"
NOT_INSTALLED = "XENAPI_MISSING_PLUGIN"
LOOK_S, LOOK_MAX_S = 0.05, 1


def is_up(session, record):
    """Return whether XAPI takes a host for running. record: of class host."""
    try:
        return session.xenapi.host_metrics.get_live(record["metrics"])
    except XenAPI.Failure as error:
        # A host that was never up since it joined has none.
        if error.details[0] == "HANDLE_INVALID":
            return False
        raise


def call(session, hosts, function, limit_s):
    """Call a function without arguments on all hosts at once; return {ref: "" if it succeeded, else
    a sentence that says why not}.

    hosts: references; limit_s: for all of them, after which one that has not answered counts as
    failed.
    """
    answers, tasks = {}, {}
    for ref in hosts:
        try:
            tasks[ref] = session.xenapi.Async.host.call_plugin(ref, PLUGIN, function, {})
        except XenAPI.Failure as error:
            answers[ref] = _in_words(error.details)
    deadline, pause_s = clock.monotonic_s() + limit_s, LOOK_S
    while tasks and clock.monotonic_s() < deadline:
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, LOOK_MAX_S)
        for ref, task in sorted(tasks.items()):
            record = session.xenapi.task.get_record(task)
            if record["status"] not in ("pending", "cancelling"):
                answers[ref] = (
                    ""
                    if record["status"] == "success"
                    else _in_words(record["error_info"] or [record["status"]])
                )
                session.xenapi.task.destroy(tasks.pop(ref))
    answers.update((ref, "it has not answered within %g s" % limit_s) for ref in tasks)
    return answers


def _in_words(details):
    """Return a failure of XAPI as a sentence; the plugin's own end with one."""
    if details[0] == NOT_INSTALLED:
        return "xsraid is not installed there: install its RPM on that host"
    if details[0].startswith("XSRAID_"):
        return native(details[-1])
    return native(" ".join(details))
