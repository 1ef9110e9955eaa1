"""The care of arrays: comparing what their members hold. The verb `check_array`."""

from __future__ import absolute_import

import collections
import time

from xsraid import md, recovery, settings
from xsraid.commands import run
from xsraid.errors import ArrayInUse, BadArgument, UnknownArray
from xsraid.levels import is_redundant

SETTLE_S, LOOK_S = 5, 0.1


def check_array(host, session, array, action):
    """Start a check of an array, or stop the one that runs. Return {"array": array record}; its mismatch_count is what the last check found.

    action: start or stop. Raises ArrayInUse while something else runs on the array, BadArgument while it is degraded, UnknownArray, Busy,
    CommandFailed, Timeout.
    """
    limit_s = settings.load(host).mdadm_timeout_s
    with recovery.changing(host, "check_array", limit_s):
        record = md.find_array(host, array)
        if record["health"] in md.NOT_THERE:
            raise UnknownArray(array, "this array is %s, it cannot be checked" % record["health"])
        if not is_redundant(record["level"]):
            raise BadArgument("array", "%s is %s, whose members hold nothing twice that could be compared" % (record["device"], record["level"]))
        under_way = record["sync"]["action"] if record["sync"] else None
        if under_way not in (None, "check"):
            raise ArrayInUse(record["device"], "its own %s" % under_way, "Let that end first.")
        if record["health"] == "degraded" and action == "start":
            raise BadArgument("array", "%s is degraded: what is missing cannot be compared, repair it first" % record["device"])
        if (under_way == "check") != (action == "start"):
            run(host, ["mdadm", "--misc", "--action=%s" % ("check" if action == "start" else "idle"), record["device"]], limit_s)
            _settle(host, record, action)
    return collections.OrderedDict([("array", md.list_arrays(host, session, record["uuid"])["arrays"][0])])


def _settle(host, record, action):
    """Wait until the kernel shows it; a check of a small array may be over before it is seen."""
    deadline = time.time() + SETTLE_S
    while bool(md.find_array(host, record["uuid"])["sync"]) != (action == "start") and time.time() < deadline:
        time.sleep(LOOK_S)
