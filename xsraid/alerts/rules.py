"""Pure: which alerts come of what mdadm's monitor told and of what the arrays are now. One cause
makes one alert, building and checking make none.

A memory of each array, a dict that JSON can hold, says what was seen and told before:
    device, name, nodes, members [{"device", "serial", "slot", "state", "model", "by_id", "path"}]
      as last seen: a failed disk can tell nothing any
                    more, and an array that has gone has no other names
    absent          those of the members that were last seen to serve in slots that nothing serves
                    in now; disks have other names after a boot
    was_whole       whether it was ever seen with all its redundancy: before that it is being built
    full            that redundancy: a rebuild that does without none of it puts one disk in the
                    place of another, or a mirror has grown
    told            None, or {"name", "left", "lost", "time"} of the alert that stands: degraded,
                    failed or missing; lost are the slots that nothing served
    failed          {member: when its failure was told}
    untold_since    when the array was first seen to be worse than was told, None while it is not
    replaced        members that are being replaced while they serve; when that is done, md makes
                    them faulty
    spares          how many spares there were, None if that was never seen
    is_spare_told   whether it was told that one is missing, and none has come since
    frozen_since    when an array whose redundancy is not whole was first seen to be kept from its
                    repair, None while it is not
    is_frozen_told  whether that was told
    recent, held    when it alarmed in the last hour, and how many alerts were held back since then
"""

from __future__ import absolute_import

import collections

from xsraid.md.levels import CONTAINER, is_redundant
from xsraid.states import Health, MemberState, SyncAction

# What takes the place of an event that nobody has told.
Seen = collections.namedtuple("Seen", "event component time meaning")

REBUILT = "RebuildFinished"
# Our own event, from the unit that assembles at boot, of the array.
MISPLACED = "Misplaced"
# Our own, from the units of a boot: parts of an array ran without each other.
DIVERGED = "Diverged"
# Our own, from looking at SMART, of a member.
WEAK = "DiskWeak"
# Our own, of an array that has long not been checked.
OVERDUE = "CheckOverdue"
# What events of our own are worth; those of the monitor are of no array.
OWN = {
    MISPLACED: "XSRAID_ARRAY_MISPLACED",
    DIVERGED: "XSRAID_ARRAY_DIVERGED",
    WEAK: "XSRAID_DISK_WEAK",
    OVERDUE: "XSRAID_CHECK_OVERDUE",
    "MonitorDown": "XSRAID_MONITOR_DOWN",
    "MonitorBack": "XSRAID_MONITOR_BACK",
}
# Our own, too: the component serves until another disk is filled from it, and then md makes it
# faulty.
REPLACING = "Replacing"
FOLD_S = 60
ABSENT_S = 4  # an array that is being brought to another node is gone for a moment
UNNAMED_S = 10  # the monitor names a disk that was pulled a second later, on a busy host some more
HOUR_S = 3600
HOURLY_MAX = 6
FROZEN_S = 600  # mdadm itself freezes an array for a moment
WHOLE = (
    Health.OPTIMAL,
    Health.CHECKING,
    Health.NO_REDUNDANCY,
    Health.READ_ONLY,
    Health.CONTAINER,
    Health.UNKNOWN,
)
PRIORITIES = {  # of XAPI's messages: 1 critical, 2 major, 3 warning, 4 minor, 5 information
    "XSRAID_ARRAY_FAILED": 1,
    "XSRAID_ARRAY_MISSING": 1,
    "XSRAID_ARRAY_DIVERGED": 1,
    "XSRAID_DISK_FAILED": 2,
    "XSRAID_ARRAY_DEGRADED": 2,
    "XSRAID_MONITOR_DOWN": 2,
    "XSRAID_SPARE_MISSING": 3,
    "XSRAID_MISMATCHES": 3,
    "XSRAID_DISK_WEAK": 3,
    "XSRAID_ARRAY_FROZEN": 3,
    "XSRAID_ARRAY_MISPLACED": 4,
    "XSRAID_CHECK_OVERDUE": 4,
    "XSRAID_MONITOR_BACK": 5,
    "XSRAID_REBUILD_FINISHED": 5,
    "XSRAID_TEST": 5,
}
# Md/last_sync_action: a first resync counts mismatches, too, where disks were not blank. None: not
# known.
COMPARING = (None, SyncAction.CHECK, SyncAction.REPAIR)
NEVER_HELD = ("XSRAID_ARRAY_FAILED", "XSRAID_ARRAY_MISSING", "XSRAID_ARRAY_DIVERGED", "XSRAID_TEST")
NAMES = {
    Health.FAILED: "XSRAID_ARRAY_FAILED",
    Health.MISSING: "XSRAID_ARRAY_MISSING",
    Health.INACTIVE: "XSRAID_ARRAY_MISSING",
    Health.FROZEN: "XSRAID_ARRAY_FROZEN",
}
TELLING = (
    "Fail",
    "FailSpare",
    "DegradedArray",
    "DeviceDisappeared",
    "SparesMissing",
    "RebuildStarted",
    "RebuildFinished",
    "SpareActive",
    "MoveSpare",
)
STANDING = (
    "XSRAID_ARRAY_FAILED",
    "XSRAID_ARRAY_MISSING",
    "XSRAID_DISK_FAILED",
    "XSRAID_ARRAY_DEGRADED",
    "XSRAID_ARRAY_FROZEN",
)


def decide(events, records, memory, now, reminder_s):
    """Return ([alert], memory as it is now, [(uuid, event) that tells no more than an alert before
    it did]).

    An alert is {"name", "uuid", "device", "component", "meaning", "event", "events", "time",
    "folded", "is_reminder"}; events are the monitor's that it came of, meaning is what an event of
    our own says.
    events: of `spool`; records: of `state.read_arrays`, with `last_action`, md/last_sync_action,
    `described`, what is known of the members that are there, `nodes`, all names of the array, and
    `there`, the nodes of all disks and partitions; memory: {uuid: memory of the array}; reminder_s:
    0 for never.
    """
    memory = {uuid: dict(_fresh(known["device"]), **known) for uuid, known in memory.items()}
    by_uuid = {record.uuid: record for record in records if record.uuid}
    alerts, asides = _of_events(events, by_uuid, memory, now)
    for uuid, record in sorted(by_uuid.items()):
        known = memory.setdefault(uuid, _fresh(record.device))
        alerts += _of_state(record, known, now, reminder_s)
        _remember(record, known)
    for alert in alerts:
        alert["events"] = [alert["event"]] if alert["event"] else []
        alert["events"] += [name for uuid, name in asides if uuid == alert["uuid"]]
    alerted = [alert["uuid"] for alert in alerts]
    folded = [(uuid, name) for uuid, name in asides if uuid not in alerted]
    return alerts, {uuid: known for uuid, known in memory.items() if uuid in by_uuid}, folded


def _of_events(events, by_uuid, memory, now):
    """Return ([alert] that events cause, [(uuid, event) that causes none but belongs to one])."""
    uuids = {}
    for uuid, known in memory.items():
        uuids.update(dict.fromkeys(known["nodes"] + [known["device"]], uuid))
    for uuid, record in by_uuid.items():
        uuids.update(dict.fromkeys((record.nodes or []) + [record.device], uuid))
    alerts, asides = [], []
    for event in events:
        uuid, known = uuids.get(event.device), _fresh(event.device)
        if uuid:
            known = memory.setdefault(uuid, known)
        name = _name_of(event, by_uuid.get(uuid), known, now)
        if name:
            alerts += _emit(name, uuid, by_uuid.get(uuid), known, event, now)
        elif uuid and event.event in TELLING:
            asides.append((uuid, event.event))
    return alerts, asides


def _of_state(record, known, now, reminder_s):
    """Return [alert] that an array's state causes, whatever events have told."""
    alerts = []

    def emit(name, event=None):
        found = _emit(name, record.uuid, record, known, event, now)
        alerts.extend(found)
        return found

    def emit_failed(device):
        name = _failed(device, record.health, known, now)
        emit(name, Seen(None, device, now, None))

    known["absent"] = _absent(record, known)
    for member in _pulled(record, known):
        emit_failed(member["device"])
    if _is_spare_pulled(record, known):
        known["is_spare_told"] = True
        emit("XSRAID_SPARE_MISSING")
    name, is_reminder = _change(record, known, now, reminder_s)
    faulty = []
    if name == "XSRAID_ARRAY_DEGRADED" and not is_reminder:
        faulty = _unreported_faulty(record, known)
    for device in faulty:  # such as one that failed while no monitor ran: md itself names it
        emit_failed(device)
    if name and not faulty:
        for alert in emit(name):
            alert["is_reminder"] = is_reminder
    if _is_stuck(record, known, now):
        emit("XSRAID_ARRAY_FROZEN")
    return alerts


def in_parts(event):
    """Return an Event of `spool` with component and meaning apart: mdadm's monitor tells of
    mismatches where it has a member else, and up to 0.3.0 events of our own held both in one.
    """
    if event.meaning is None and event.event in (REBUILT, MISPLACED, DIVERGED):
        return event._replace(component=None, meaning=event.component)
    if event.meaning is None and event.event == WEAK and event.component:
        component, _, meaning = event.component.partition(" ")
        return event._replace(component=component, meaning=meaning)
    return event


def needs_looking_after(memory, reminder_s):
    """Return whether, with nothing new to come, there will be something to tell: a reminder, or
    what was held back.
    """
    return any(
        known["held"]
        or known["told"]
        and reminder_s
        or known["untold_since"] is not None
        or known.get("frozen_since") is not None
        and not known["is_frozen_told"]
        for known in memory.values()
    )


def _empty_slots(record):
    return [member.slot for member in record.members if member.device is None]


def _pulled(record, known):
    """Return the remembered members that served and are gone, node and all: no event is waited for.
    A boot may give their nodes to others.
    """
    if (
        record.health not in (Health.DEGRADED, Health.REBUILDING, Health.FAILED)
        or not known["was_whole"]
        or record.there is None
    ):
        return []
    gone = _empty_slots(record)
    serials = [member.get("serial") for member in (record.described or [])]
    return [
        member
        for member in known["members"]
        if member.get("state") == MemberState.ACTIVE
        and member["slot"] in gone
        and member["serial"] not in serials
        and member["device"] not in known["failed"]
        and member["device"] not in record.there
    ]


def _unreported_faulty(record, known):
    """Return the nodes of members that are faulty, not on purpose, and not alerted yet."""
    return [
        member.device
        for member in record.members
        if member.state == MemberState.FAULTY
        and member.device not in known["failed"]
        and member.device not in known["replaced"]
    ]


def _absent(record, known):
    """Return the remembered members that served where nothing does now, be the disk gone or only
    left out.
    """
    if record.health in Health.NOT_RUNNING:
        return known["absent"]
    gone = _empty_slots(record)
    serving = [
        member.get("serial")
        for member in (record.described or [])
        if member.get("state") == MemberState.ACTIVE
    ]
    served = [
        member
        for member in known["members"]
        if member.get("state") == MemberState.ACTIVE and member.get("serial") not in serving
    ]
    by_slot = {member["slot"]: member for member in known["absent"] + served}
    return [by_slot[slot] for slot in gone if slot in by_slot]


def _is_spare_pulled(record, known):
    """Return whether a spare is gone, node and all, of which nobody has told."""
    if known["is_spare_told"] or record.health in Health.NOT_RUNNING or record.there is None:
        return False
    here = [member.device for member in record.members] + record.there
    spares = [
        member["device"] for member in known["members"] if member.get("state") == MemberState.SPARE
    ]
    return any(node not in here and node not in known["failed"] for node in spares)


def _fresh(device):
    return {
        "device": device,
        "name": device.rsplit("/", 1)[-1],
        "nodes": [],
        "members": [],
        "absent": [],
        "was_whole": False,
        "full": None,
        "told": None,
        "failed": {},
        "replaced": [],
        "recent": [],
        "spares": None,
        "is_spare_told": False,
        "held": 0,
        "untold_since": None,
        "frozen_since": None,
        "is_frozen_told": False,
    }


def _name_of(event, record, known, now):
    """Return the name of the alert that an event of mdadm's monitor (mdadm(8)) causes, None if it
    is folded or no alarm at all.
    """
    health = record.health if record else Health.MISSING
    if event.event in ("Fail", "FailSpare"):
        if event.component in known["replaced"] and health in WHOLE:
            known["replaced"] = [
                member for member in known["replaced"] if member != event.component
            ]
            return None
        told_at = known["failed"].get(event.component)
        if told_at is not None and 0 <= now - told_at < FOLD_S:
            return None
        return _failed(event.component, health, known, now)
    if (
        event.event == REBUILT
        and event.meaning
        and record
        and record.mismatch_count
        and record.last_action in COMPARING
    ):
        return "XSRAID_MISMATCHES"
    if event.event == "SparesMissing":
        if known["is_spare_told"]:  # the monitor tells it again at each start
            return None
        known["is_spare_told"] = True
        return "XSRAID_SPARE_MISSING"
    if event.event == REPLACING and event.component not in known["replaced"]:
        known["replaced"].append(event.component)
    if event.event in OWN:
        return OWN[event.event]
    # Of all others the state that they led to is told, if it is worth it.
    return "XSRAID_TEST" if event.event == "TestMessage" else None


def _failed(device, health, known, now):
    """Remember that a member is told of as failed; return the name of the alert that it is
    worth.
    """
    known["failed"][device] = now
    return "XSRAID_ARRAY_FAILED" if health == Health.FAILED else "XSRAID_DISK_FAILED"


def _change(record, known, now, reminder_s):
    """Return (name of the alert that an array's state causes by itself or None, whether that is a
    reminder).
    """
    standing, since = known["told"], known["untold_since"]
    known["untold_since"] = None
    if record.health in WHOLE:
        return _recovered(known, now), False
    if _is_expected(record, known):
        return None, False
    name = NAMES.get(record.health, "XSRAID_ARRAY_DEGRADED")
    if standing is not None:  # what came back and is lost again is news
        lost = _lost(record)
        standing["left"] = max(standing["left"], record.redundancy_left)
        standing["lost"] = [slot for slot in standing.get("lost", lost) if slot in lost]
    if standing is None or _is_worse(name, record, standing):
        since = now if since is None or since > now else since
        if now - since >= _patience_s(record):
            return name, False
        known["untold_since"] = since
        return None, False
    if known["held"] and _has_room(known, now):
        return name, False
    is_due = reminder_s and not 0 <= now - standing["time"] < reminder_s
    return (name, True) if is_due else (None, False)


def _recovered(known, now):
    """Return the name of the alert that an array causes which is whole, None if nothing was told
    or held back.
    """
    if known["told"] is None:
        is_owed = known["held"] and _has_room(known, now)
        return "XSRAID_REBUILD_FINISHED" if is_owed else None
    # A disk that is taken in again and fails again is news.
    known["told"], known["failed"] = None, {}
    return "XSRAID_REBUILD_FINISHED"


def _is_expected(record, known):
    """Return whether an array that is not whole is so on purpose: it is being built for the first
    time, resynced, one of its disks is being replaced, or it is nobody's.
    """
    health = record.health
    if health == Health.RESYNCING and known["told"] is None:
        return True
    if (
        health in (Health.REBUILDING, Health.RESYNCING)
        and not known["was_whole"]
        and not known["failed"]
    ):
        return True
    if health in (Health.REBUILDING, Health.DEGRADED) and known["full"] is not None:
        return record.redundancy_left >= known["full"]
    if health in Health.NOT_RUNNING:  # of firmware RAID, the volumes are told of
        return not record.configured or record.level == CONTAINER
    return False


def _is_worse(name, record, standing):
    """Return whether an array's state is worse than the alert that stands, or another loss."""
    return (
        PRIORITIES[name] < PRIORITIES[standing["name"]]
        or record.redundancy_left < standing["left"]
        or not set(standing["lost"]).issuperset(_lost(record))
    )


def _lost(record):
    """Return the slots of an array that runs in which nothing serves."""
    if record is None or record.health in Health.NOT_RUNNING:
        return []
    serving = [member.slot for member in record.members if member.state == MemberState.ACTIVE]
    slots = {member.slot for member in record.members if member.slot is not None}
    return sorted(slots.difference(serving))


def _is_stuck(record, known, now):
    """Return whether it is time to tell that an array has long been kept from its repair, by being
    frozen or by a part that it may not pass: once.
    """
    is_kept = record.frozen or record.sync_held
    # One that is whole and frozen is told of by its health.
    if not is_kept or record.health not in (Health.DEGRADED, Health.REBUILDING, Health.RESYNCING):
        known["frozen_since"], known["is_frozen_told"] = None, False
        return False
    since = known["frozen_since"]
    known["frozen_since"] = now if since is None or since > now else since
    is_due = not known["is_frozen_told"] and now - known["frozen_since"] >= FROZEN_S
    known["is_frozen_told"] = known["is_frozen_told"] or is_due
    return is_due


def _patience_s(record):
    """Return how long an array may be worse than was told before its state alone is told of: the
    monitor may be about to say more.
    """
    if record.health in Health.NOT_RUNNING:
        return ABSENT_S
    if record.health == Health.FROZEN:
        return FROZEN_S
    return UNNAMED_S if is_redundant(record.level) else 0  # it does not watch the others


def _emit(name, uuid, record, known, event, now):
    """Return [alert], or [] if the array has alarmed too often within the hour; remember it either
    way.
    """
    # Where a spare has failed, or one has taken over already.
    is_whole = record is not None and record.health in WHOLE
    # That an array is degraded stands before that it is frozen.
    is_worse = name != "XSRAID_ARRAY_FROZEN" or known["told"] is None
    standing = name
    is_absent = record is not None and record.health in Health.NOT_RUNNING
    if name == "XSRAID_ARRAY_DIVERGED" and is_absent and known["told"] is None:
        standing = "XSRAID_ARRAY_MISSING"  # is part of what is told
    if standing in STANDING and not is_whole and is_worse:
        known["told"] = {
            "name": standing,
            "left": record.redundancy_left if record else 0,
            "lost": _lost(record),
            "time": now,
        }
    if not _has_room(known, now) and name not in NEVER_HELD:
        known["held"] += 1
        return []
    alert = {
        "name": name,
        "uuid": uuid,
        "device": known["device"],
        "component": event and event.component,
        "meaning": event and event.meaning,
        "event": event and event.event,
        "time": event and event.time or now,
        "folded": known["held"],
        "is_reminder": False,
    }
    if name != "XSRAID_TEST":
        known["recent"], known["held"] = known["recent"] + [now], 0
    return [alert]


def _has_room(known, now):
    known["recent"] = [time for time in known["recent"] if 0 <= now - time < HOUR_S]
    return len(known["recent"]) < HOURLY_MAX


def _joined(before, member):
    """Return what is known of a member now: one that failed or is gone tells less than was known of
    it before, its slot and its serial number.
    """
    is_another = any(
        before.get(key) is not None and member.get(key) is not None and before[key] != member[key]
        for key in ("serial", "model", "by_id")
    )
    kept = {}
    if not is_another:
        kept = {key: value for key, value in before.items() if member.get(key) is None}
    if member.get("state") == MemberState.SPARE:
        kept.pop("slot", None)
    return dict(member, **kept)


def _remember(record, known):
    """Take over what is seen of an array; of members that are gone what was seen of them before."""
    known["device"], known["name"], known["nodes"] = (
        record.device,
        record.name,
        record.nodes or known["nodes"],
    )
    spares = len([member for member in record.members if member.state == MemberState.SPARE])
    known["is_spare_told"] = known["is_spare_told"] and spares <= (known["spares"] or 0)
    known["spares"] = spares
    known["was_whole"] = known["was_whole"] or record.health in WHOLE
    known["full"] = record.redundancy_left if record.health in WHOLE else known["full"]
    seen = {member["device"]: member for member in known["members"]}
    for member in record.described or []:
        seen[member["device"]] = _joined(seen.get(member["device"], {}), member)
    present = [member.device for member in record.members]
    # After a reboot another disk may have that name: that one serves.
    known["replaced"] = [
        member.device
        for member in record.members
        if member.being_replaced
        or member.device in known["replaced"]
        and member.state == MemberState.FAULTY
    ]
    gone = _empty_slots(record)
    known["members"] = [
        member
        for device, member in sorted(seen.items())
        if device in present or member["slot"] in gone or device in known["failed"]
    ]
    if record.health in WHOLE:
        known["members"] = [member for member in known["members"] if member["device"] in present]
