"""Pure: the sentence that says of an array what its health word means, for the person who asked."""

from __future__ import absolute_import

from xsraid.md.levels import lacks_journal
from xsraid.states import Health, MemberState, SyncAction
from xsraid.text import duration

DOING = {
    SyncAction.RESYNC: "its redundancy is being made",
    SyncAction.RECOVER: "%s is being filled",
    SyncAction.CHECK: "its members are being compared",
    SyncAction.REPAIR: "its members are being made equal",
    SyncAction.RESHAPE: "it is being reshaped",
}
BY_WORD = {
    Health.MISSING: "It has a line in /etc/mdadm.conf, but it is not running.",
    Health.INACTIVE: "It does not run: it waits for members. Once they are there, `systemctl "
    "restart xsraid-assemble.service` starts it.",
    Health.CONTAINER: "It is the container of firmware RAID: its volumes are arrays of their own, "
    "and nothing needs to be done with it.",
    Health.NO_REDUNDANCY: "All its members serve; the failure of any one of them loses data.",
}
READ_ONLY = "it is read-only: `mdadm --readwrite %s` ends that"
FROZEN = (
    "md has stopped all rebuilding and checking on it (frozen): `echo idle > "
    "/sys/block/%s/md/sync_action` lets it go on"
)
PENDING = "that begins with the first write to the array, or with `mdadm --readwrite %s`"
HELD = (
    "somebody has had md stop at a part of it: `echo max > /sys/block/%s/md/sync_max` lets it go on"
)
BAD = " The kernel knows of bad blocks on members (%s), which hold no data that could be read."


def sentence(record):
    """Return the sentence of an array record, and another of bad blocks that are known.

    record: of `state`, with health, level, redundancy_left, consistency_policy, members and sync.
    """
    return _of_health(record) + (BAD % ", ".join(record.bad_blocks) if record.bad_blocks else "")


def _of_health(record):
    health = record.health
    if health in BY_WORD:
        return BY_WORD[health]
    gone = [
        _named(member)
        for member in record.members
        if member.state in (MemberState.FAULTY, MemberState.MISSING)
    ]
    if health == Health.FAILED:
        is_unwritable = lacks_journal(record.consistency_policy, record.members)
        why = (
            "its journal is gone"
            if is_unwritable
            else "too many members are gone (%s)" % ", ".join(gone)
        )
        return "It cannot serve: %s." % why
    if health == Health.UNKNOWN:
        return (
            "All its members serve; how many failures an array of the level %s survives is not "
            "known here." % record.level
        )
    parts = []
    if record.read_only:
        parts.append(READ_ONLY % record.device)
    if record.frozen:
        parts.append(FROZEN % record.device.rsplit("/", 1)[-1])
    if health == Health.DEGRADED:
        parts.append("members are gone: %s" % ", ".join(gone) if gone else "it lacks a member")
    if record.sync:
        parts.append(_under_way(record))
    if record.sync_pending:
        parts.append(PENDING % record.device)
    if record.sync_held:
        parts.append(HELD % record.device.rsplit("/", 1)[-1])
    left = record.redundancy_left
    count = "%d more failures are" % left
    if left < 1:
        count = "no further failure is"
    elif left == 1:
        count = "one more failure is"
    text = "; ".join((parts or ["all its members serve"]) + [count + " survived"])
    return text[0].upper() + text[1:] + "."


def _named(member):
    if member.device:
        return member.device
    serial = " (serial number %s)" % member.serial if member.serial else ""
    return "that of slot %d%s" % (member.slot, serial)


def _under_way(record):
    sync = record.sync
    doing = DOING[sync.action]
    if sync.action == SyncAction.RECOVER:
        doing %= (
            ", ".join(
                member.device
                for member in record.members
                if member.state == MemberState.REBUILDING and member.device
            )
            or "a member"
        )
    if sync.done_ratio is not None:
        doing += ", %d %% done" % int(sync.done_ratio * 100)
    if sync.remaining_s is not None:
        doing += ", %s left" % duration(sync.remaining_s)
    return doing
