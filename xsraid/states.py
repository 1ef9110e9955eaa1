"""The words for what arrays, their members and md's work on them are in, as sysfs, replies and
alerts have them; no other module spells them.
"""

from __future__ import absolute_import


class Health(object):
    """The health of an array, see `list_arrays`."""

    OPTIMAL = "optimal"
    CHECKING = "checking"
    NO_REDUNDANCY = "no_redundancy"  # whole, of a level that survives no failure
    RESYNCING = "resyncing"
    REBUILDING = "rebuilding"
    DEGRADED = "degraded"
    FAILED = "failed"
    INACTIVE = "inactive"  # waits for members
    MISSING = "missing"  # configured, and not there
    READ_ONLY = "read_only"
    FROZEN = "frozen"
    CONTAINER = "container"  # of firmware RAID
    UNKNOWN = "unknown"  # whole, of a level that is not known here
    # Those of arrays that do not run.
    NOT_RUNNING = (MISSING, INACTIVE)
    # Those of arrays that nothing can be read from.
    NOT_THERE = NOT_RUNNING + (FAILED, CONTAINER)


class MemberState(object):
    """The state of a member of an array, see `list_arrays`."""

    ACTIVE = "active"
    REBUILDING = "rebuilding"
    SPARE = "spare"
    JOURNAL = "journal"
    FAULTY = "faulty"
    MISSING = "missing"


class SyncAction(object):
    """What md does in an array: md/sync_action (the kernel's md.rst)."""

    IDLE = "idle"
    FROZEN = "frozen"
    RESYNC = "resync"
    RECOVER = "recover"
    RESHAPE = "reshape"
    CHECK = "check"
    REPAIR = "repair"
