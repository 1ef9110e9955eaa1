"""Pure: which alerts come of what mdadm's monitor told and of what the arrays are now. One cause makes one alert, building and checking make none.

A memory of each array, a dict that JSON can hold, says what was seen and told before:
    device, name, members [{"device", "serial", "slot", "model", "by_id"}]   as last seen: a failed disk can tell nothing any more
    was_whole       whether it was ever seen with all its redundancy: before that it is being built
    full            that redundancy: a rebuild that does without none of it puts one disk in the place of another, or a mirror has grown
    told            None, or {"name", "left", "time"} of the alert that stands: degraded, failed or missing
    failed          {member: when its failure was told}
    untold_since    when the array was first seen to be worse than was told, None while it is not
    replaced        members that are being replaced while they serve; when that is done, md makes them faulty
    recent, held    when it alarmed in the last hour, and how many alerts were held back since then
"""

from __future__ import absolute_import

from xsraid.levels import is_redundant

MISPLACED = "Misplaced"  # our own event, from the unit that assembles at boot; its component is a sentence
WEAK = "DiskWeak"  # our own, from looking at SMART; its component is the member, and after a blank a sentence
REPLACING = "Replacing"  # our own, too: the component serves until another disk is filled from it, and then md makes it faulty
FOLD_S = 60
ABSENT_S = 4  # an array that is being brought to another node is gone for a moment
UNNAMED_S = 10  # the monitor names a disk that was pulled a second later, on a busy host some more
HOUR_S = 3600
HOURLY_MAX = 6
WHOLE = ("optimal", "checking", "no_redundancy")
PRIORITIES = {  # of XAPI's messages: 1 critical, 2 major, 3 warning, 4 minor, 5 information
    "XSRAID_ARRAY_FAILED": 1, "XSRAID_ARRAY_MISSING": 1, "XSRAID_DISK_FAILED": 2, "XSRAID_ARRAY_DEGRADED": 2, "XSRAID_SPARE_MISSING": 3,
    "XSRAID_MISMATCHES": 3, "XSRAID_DISK_WEAK": 3, "XSRAID_ARRAY_MISPLACED": 4, "XSRAID_REBUILD_FINISHED": 5, "XSRAID_TEST": 5}
COMPARING = (None, "check", "repair")  # md/last_sync_action: a first resync counts mismatches, too, where disks were not blank. None: not known
NEVER_HELD = ("XSRAID_ARRAY_FAILED", "XSRAID_ARRAY_MISSING", "XSRAID_TEST")
NAMES = {"failed": "XSRAID_ARRAY_FAILED", "missing": "XSRAID_ARRAY_MISSING", "inactive": "XSRAID_ARRAY_MISSING"}
TELLING = (
    "Fail", "FailSpare", "DegradedArray", "DeviceDisappeared", "SparesMissing", "RebuildStarted", "RebuildFinished", "SpareActive", "MoveSpare")
STANDING = ("XSRAID_ARRAY_FAILED", "XSRAID_ARRAY_MISSING", "XSRAID_DISK_FAILED", "XSRAID_ARRAY_DEGRADED")


def decide(events, records, memory, now, reminder_s):
    """Return ([alert], memory as it is now, [(uuid, event) that tells no more than an alert before it did]).

    An alert is {"name", "uuid", "device", "component", "meaning", "event", "events", "time", "folded", "is_reminder"}; events are the monitor's that
    it came of, meaning is what an event of our own says.
    events: of `spool`; records: of `md.read_arrays`, with `last_action`, md/last_sync_action; memory: {uuid: memory of the array}; reminder_s: 0 for
    never.
    """
    memory = {uuid: dict(_fresh(known["device"]), **known) for uuid, known in memory.items()}
    by_device = {known["device"]: uuid for uuid, known in memory.items()}
    by_device.update((record["device"], record["uuid"]) for record in records if record["uuid"])
    by_uuid = {record["uuid"]: record for record in records if record["uuid"]}
    alerts, asides = [], []
    for event in events:
        uuid = by_device.get(event.device)
        known = memory.setdefault(uuid, _fresh(event.device)) if uuid else _fresh(event.device)
        name = _name_of(event, by_uuid.get(uuid), known, now)
        if name:
            alerts += _emit(name, uuid, by_uuid.get(uuid), known, event, now)
        elif uuid and event.event in TELLING:
            asides.append((uuid, event.event))
    for uuid, record in sorted(by_uuid.items()):
        known = memory.setdefault(uuid, _fresh(record["device"]))
        name, is_reminder = _change(record, known, now, reminder_s)
        if name:
            alerts += [dict(alert, is_reminder=is_reminder) for alert in _emit(name, uuid, record, known, None, now)]
        _remember(record, known)
    for alert in alerts:
        alert["events"] = [alert["event"]] if alert["event"] else []
        alert["events"] += [name for uuid, name in asides if uuid == alert["uuid"]]
    told = [alert["uuid"] for alert in alerts]
    folded = [(uuid, name) for uuid, name in asides if uuid not in told]
    return alerts, {uuid: known for uuid, known in memory.items() if uuid in by_uuid}, folded


def needs_looking_after(memory, reminder_s):
    """Return whether, with nothing new to come, there will be something to tell: a reminder, or what was held back."""
    return any(known["held"] or known["told"] and reminder_s or known["untold_since"] is not None for known in memory.values())


def _fresh(device):
    return {"device": device, "name": device.rsplit("/", 1)[-1], "members": [], "was_whole": False, "full": None, "told": None, "failed": {},
            "replaced": [], "recent": [], "held": 0, "untold_since": None}


def _name_of(event, record, known, now):
    """Return the name of the alert that an event of mdadm's monitor (mdadm(8)) is worth, None where it is folded or no alarm at all."""
    health = record["health"] if record else "missing"
    if event.event in ("Fail", "FailSpare"):
        if event.component in known["replaced"] and health in WHOLE:
            known["replaced"] = [member for member in known["replaced"] if member != event.component]
            return None
        told_at = known["failed"].get(event.component)
        if told_at is not None and 0 <= now - told_at < FOLD_S:
            return None
        known["failed"][event.component] = now
        return "XSRAID_ARRAY_FAILED" if health == "failed" else "XSRAID_DISK_FAILED"
    if event.event == "RebuildFinished" and event.component and record and record["mismatch_count"] and record["last_action"] in COMPARING:
        return "XSRAID_MISMATCHES"
    if event.event == "SparesMissing":
        return "XSRAID_SPARE_MISSING"
    if event.event == REPLACING and event.component not in known["replaced"]:
        known["replaced"].append(event.component)
    if event.event == MISPLACED:
        return "XSRAID_ARRAY_MISPLACED"
    if event.event == WEAK:
        return "XSRAID_DISK_WEAK"
    return "XSRAID_TEST" if event.event == "TestMessage" else None  # of all others the state that they led to is told, if it is worth it


def _change(record, known, now, reminder_s):
    """Return (name of the alert that an array's state is worth by itself or None, whether that is a reminder)."""
    health, told, since = record["health"], known["told"], known["untold_since"]
    known["untold_since"] = None
    if health in WHOLE:
        if told is None:
            return ("XSRAID_REBUILD_FINISHED" if known["held"] and _has_room(known, now) else None), False
        known["told"], known["failed"] = None, {}  # a disk that is taken in again and fails again is news
        return "XSRAID_REBUILD_FINISHED", False
    is_being_built = not known["was_whole"] and health in ("rebuilding", "resyncing") and not known["failed"]
    is_replacing = health in ("rebuilding", "degraded") and known["full"] is not None and record["redundancy_left"] >= known["full"]
    is_strange = health in ("missing", "inactive") and not record["configured"]
    if is_being_built or is_replacing or is_strange or health == "resyncing" and told is None:
        return None, False
    name = NAMES.get(health, "XSRAID_ARRAY_DEGRADED")
    if told is None or PRIORITIES[name] < PRIORITIES[told["name"]] or record["redundancy_left"] < told["left"]:
        since = now if since is None or since > now else since
        if now - since >= _patience_s(record):
            return name, False
        known["untold_since"] = since
        return None, False
    if known["held"] and _has_room(known, now):
        return name, False
    is_due = reminder_s and not 0 <= now - told["time"] < reminder_s
    return (name, True) if is_due else (None, False)


def _patience_s(record):
    """Return how long an array may be worse than was told before its state alone is told of: the monitor may be about to say more."""
    if record["health"] in ("missing", "inactive"):
        return ABSENT_S
    return UNNAMED_S if is_redundant(record["level"]) else 0  # it does not watch the others


def _emit(name, uuid, record, known, event, now):
    """Return [alert], or [] where the array has alarmed too often within the hour; remember it either way."""
    if name in STANDING and not (record and record["health"] in WHOLE):  # it is whole where a spare has failed, or one has taken over already
        known["told"] = {"name": name, "left": record["redundancy_left"] if record else 0, "time": now}
    if not _has_room(known, now) and name not in NEVER_HELD:
        known["held"] += 1
        return []
    component, meaning = event.component if event else None, None
    if event and event.event == MISPLACED:
        component, meaning = None, component
    elif event and event.event == WEAK:
        component, _, meaning = component.partition(" ")
    alert = {"name": name, "uuid": uuid, "device": known["device"], "component": component, "meaning": meaning,
             "event": event.event if event else None, "time": event.time if event and event.time else now, "folded": known["held"],
             "is_reminder": False}
    if name != "XSRAID_TEST":
        known["recent"], known["held"] = known["recent"] + [now], 0
    return [alert]


def _has_room(known, now):
    known["recent"] = [time for time in known["recent"] if 0 <= now - time < HOUR_S]
    return len(known["recent"]) < HOURLY_MAX


def _remember(record, known):
    """Take over what is seen of an array; of members that are gone what was seen of them before."""
    known["device"], known["name"] = record["device"], record["name"]
    known["was_whole"] = known["was_whole"] or record["health"] in WHOLE
    known["full"] = record["redundancy_left"] if record["health"] in WHOLE else known["full"]
    seen = {member["device"]: member for member in known["members"]}
    for member in record.get("described", []):  # one that failed has lost its slot, but what is told of it should not
        seen[member["device"]] = dict(member, slot=seen.get(member["device"], member)["slot"]) if member["slot"] is None else member
    present = [member["device"] for member in record["members"]]
    known["replaced"] = [member["device"] for member in record["members"]  # after a reboot another disk may have that name: that one serves
                         if member["being_replaced"] or member["device"] in known["replaced"] and member["state"] == "faulty"]
    gone = [slot["slot"] for slot in record["members"] if slot["device"] is None]
    known["members"] = [member for device, member in sorted(seen.items()) if device in present or member["slot"] in gone or device in known["failed"]]
    if record["health"] in WHOLE:
        known["members"] = [member for member in known["members"] if member["device"] in present]
