"""Arrays as they are now, from sysfs, udev's database and /etc/mdadm.conf; the verb `list_arrays`. Nothing here runs a command or changes a thing."""

from __future__ import absolute_import

import collections
import time

from xsraid import enclosures, mdadm, notes, summary, sysfs, xapi
from xsraid.errors import UnknownArray
from xsraid.levels import is_redundant, lacks_journal, redundancy

CONFIGURATION = "/etc/mdadm.conf"
BY_ID = "/dev/disk/by-id/md-uuid-"
SYNC_HEALTH = {"resync": "resyncing", "recover": "rebuilding", "reshape": "resyncing", "check": "checking", "repair": "checking"}
MEMBER_TYPE = "linux_raid_member"  # libblkid's word, whose uuid is the array's
# The note of what `care` has seen. disks: {serial number or node: {"seen": of `smart.examine`, "time", "told"}}; arrays: {uuid: {"since": when it was
# first seen or last checked, "done": when it was last checked, "at": how far a check that was paused is, in sectors, "is_running"}}; left_to.
CARE = "care"
KEYS = ("device", "by_id", "name", "uuid", "level", "size_bytes", "chunk_bytes", "health", "summary", "redundancy_left", "members", "sync",
        "mismatch_count", "last_check", "consistency_policy", "configured", "sr")  # of an array record, in this order
STOPPED = ("clear", "inactive")
NOT_THERE = ("missing", "inactive", "failed")  # healths of arrays that nothing can be read from


def list_arrays(host, session, array=None):
    """Return {"arrays": [array record]} of this host, those that are configured but missing included.

    array: a node, name or uuid; None for all. Raises UnknownArray.
    """
    records = read_arrays(host)
    if array is not None:
        records = [find_array(host, array, records)]
    name_srs(host, session, records)
    return {"arrays": records}


def read_configuration(host):
    """Return the mdadm.Configuration of this host, an empty one where there is no file."""
    return mdadm.Configuration(host.read_if_there(CONFIGURATION) or "")


def read_arrays(host):
    """Return the records of all arrays in the order of their nodes, `sr` still None."""
    configured = {mdadm.md_uuid(uuid): node or BY_ID + mdadm.md_uuid(uuid) for node, uuid in read_configuration(host).arrays() if uuid}
    records, slots, care = [], enclosures.slots(host), notes.read(host, CARE) or {}
    for name in sysfs.block_devices(host):
        state = sysfs.attribute(host, name, "md/array_state") if name.startswith("md") else None
        if state not in (None, "clear"):
            records.append(_read_array(host, name, state, configured, slots, care))
    running = [record["uuid"] for record in records]
    records += [_missing(node, uuid) for uuid, node in configured.items() if uuid not in running]
    return sorted(records, key=lambda record: (len(record["device"]), record["device"]))


def find_array(host, wanted, records=None):
    """Return the record of the array with that node (by any of its links), name or uuid. Raises UnknownArray."""
    records = read_arrays(host) if records is None else records
    real = host.real_path(wanted) if wanted.startswith("/") else "/dev/" + wanted
    for fits in (lambda r: r["device"] == real, lambda r: r["device"] == wanted, lambda r: r["uuid"] and mdadm.same_uuid(r["uuid"], wanted),
                 lambda r: r["name"] == wanted):
        found = [record for record in records if fits(record)]
        if len(found) > 1:
            raise UnknownArray(wanted, "several arrays have this name: %s; give the node or the uuid" % ", ".join(r["device"] for r in found))
        if found:
            return found[0]
    raise UnknownArray(wanted)


def name_srs(host, session, records):
    """Fill in the SR on each array: the one whose PBD on this host names the array."""
    if not records:
        return
    pbds = pbds_by_device(host, session)
    for record in records:
        pbd = pbd_of_array(pbds, record)
        if pbd:
            record["sr"] = xapi.sr_summary(session, pbd["SR"])


def pbds_by_device(host, session):
    """Return {path: PBD record} of this host's PBDs, each under the path it names its device by and under the node that this leads to."""
    found = {}
    for pbd in xapi.local_pbds(host, session):
        for device in pbd["device_config"].get("device", "").split(","):
            if device:
                found[device] = found[host.real_path(device)] = pbd
    return found


def pbd_of_array(pbds, record):
    """Return the PBD record, of `pbds_by_device`, whose device is this array, None when there is none."""
    return pbds.get(record["by_id"]) or pbds.get(record["device"])


def _read_array(host, name, state, configured, slots, care):
    """Return the record of one array that the kernel has. configured: the uuids with an ARRAY line; slots: of `enclosures`; care: the note CARE."""
    properties = sysfs.udev_properties(host, sysfs.attribute(host, name, "dev"))
    uuid = _uuid(host, name, properties)
    level = sysfs.attribute(host, name, "md/level") or None
    member_count = sysfs.number(host, name, "md/raid_disks") or 0
    members = _members(host, name, level, member_count, slots)
    for member in members:
        member["smart"] = _smart(care, member)
    sync = _sync(host, name, state)
    policy = sysfs.attribute(host, name, "md/consistency_policy") or None  # from Linux 4.12 on
    health, left = ("failed", 0) if lacks_journal(policy, members) else _health(host, name, level, state, members, sync)
    return _with_summary([
        ("device", sysfs.node(name)),
        ("by_id", BY_ID + uuid if uuid else None),
        ("name", mdadm.array_name(properties.get("MD_NAME") or name)),
        ("uuid", uuid),
        ("level", level),
        ("size_bytes", sysfs.size_bytes(host, name)),
        ("chunk_bytes", sysfs.number(host, name, "md/chunk_size") or None),
        ("health", health),
        ("summary", None),
        ("redundancy_left", left),
        ("members", members),
        ("sync", sync),
        ("mismatch_count", sysfs.number(host, name, "md/mismatch_cnt")),
        ("last_check", iso_time(care.get("arrays", {}).get(uuid, {}).get("done"))),
        ("consistency_policy", policy),
        ("configured", uuid in configured),
        ("sr", None),
    ])


def _with_summary(fields):
    record = collections.OrderedDict(fields)
    record["summary"] = summary.sentence(record)
    return record


def _missing(node, uuid):
    unknown = dict.fromkeys(("level", "size_bytes", "chunk_bytes", "summary", "sync", "mismatch_count", "last_check", "consistency_policy", "sr"))
    known = dict(unknown, device=node, by_id=BY_ID + uuid, name=node.rsplit("/", 1)[-1], uuid=uuid, health="missing", redundancy_left=0, members=[],
                 configured=True)
    return _with_summary([(key, known[key]) for key in KEYS])


def _uuid(host, name, properties):
    """Return the uuid in mdadm's form: as udev has it from mdadm, from the kernel (6.0 and later: md/uuid), or as udev read it on a member.

    The kernel has only zeros for an array that waits for members, and for 0.90 superblocks it has each word's bytes reversed.
    """
    known = properties.get("MD_UUID")
    if not known and (sysfs.attribute(host, name, "md/metadata_version") or "").startswith("1."):
        known = sysfs.attribute(host, name, "md/uuid")
    for entry in [] if (known or "").strip("0-:") else host.names("/sys/block/%s/md" % name):
        member = sysfs.udev_properties(host, sysfs.attribute(host, name, "md/%s/block/dev" % entry)) if entry.startswith("dev-") else {}
        if member.get("ID_FS_TYPE") == MEMBER_TYPE:
            known = member.get("ID_FS_UUID")
    return mdadm.md_uuid(known) if known else None


def _members(host, name, level, member_count, slots):
    """Return the members in the order of their slots, then spares and failed ones; a slot without any member is one that is missing."""
    members, replacements = [], []
    for entry in host.names("/sys/block/%s/md" % name):
        if not entry.startswith("dev-"):
            continue
        state = sysfs.attribute(host, name, "md/%s/state" % entry)
        if state is not None:  # None: it has just gone
            members.append(_member(host, name, level, entry, state.split(","), slots))
            replacements += [members[-1]["slot"]] if "replacement" in state.split(",") else []
    for member in members:  # after a reboot md knows the replacement, but marks the one that it replaces no more
        member["being_replaced"] = member["being_replaced"] or member["state"] == "active" and member["slot"] in replacements
    filled = [member["slot"] for member in members if member["state"] != "faulty"]
    for slot in range(member_count):
        if slot not in filled:
            members.append(_member_record(None, None, slot, "missing", None))
    return sorted(members, key=lambda m: (m["slot"] is None, m["slot"] or 0, m["device"] or ""))


def _member(host, name, level, entry, flags, slots):
    """Return the record of one member. Without redundancy md fails none (before 5.4 it does not even call the array broken): there its disk tells."""
    number = sysfs.attribute(host, name, "md/%s/block/dev" % entry)
    is_gone = number is None and not is_redundant(level)
    slot = sysfs.attribute(host, name, "md/%s/slot" % entry)
    slot = int(slot) if slot and slot.isdigit() else None
    if "faulty" in flags or is_gone:
        state = "faulty"
    elif "journal" in flags:
        state = "journal"
    elif "in_sync" in flags:
        state = "active"
    else:
        state = "spare" if slot is None else "rebuilding"
    properties = sysfs.udev_properties(host, number)
    device = entry[len("dev-"):]
    return _member_record(sysfs.node(device), sysfs.serial(host, device, properties), slot, state, sysfs.number(host, name, "md/%s/errors" % entry),
                          "want_replacement" in flags, _enclosure_slot(host, name, entry, slots))


def _enclosure_slot(host, name, entry, slots):
    """Return the name of the slot that the disk of a member is in; a partition's own place in sysfs is below its disk's."""
    places = host.real_path("/sys/block/%s/md/%s/block" % (name, entry)).split("/") if slots else []
    return next((slots[place].name for place in places if place in slots), None)


def _member_record(device, serial, slot, state, errors, being_replaced=False, enclosure_slot=None):
    return collections.OrderedDict([("device", device), ("serial", serial), ("slot", slot), ("state", state), ("errors", errors),
                                    ("being_replaced", being_replaced), ("enclosure_slot", enclosure_slot)])


def _smart(care, member):
    """Return what a member's disk said of its health when it was last asked, None where that is not known."""
    known = care.get("disks", {}).get(member["serial"] or member["device"])
    return collections.OrderedDict(list(known["seen"].items()) + [("time", iso_time(known["time"]))]) if known else None


def iso_time(seconds):
    """Return a time as UTC in ISO 8601, None for None."""
    return None if seconds is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _sync(host, name, state):
    """Return what resync, recovery, check or reshape is under way, None when none is.

    The kernel's md.rst: sync_completed counts sectors, sync_speed KiB/s. An array that was cut off while it synchronised or was reshaped, and
    has not been written to since (read-auto), goes on with the first write: resync_start or reshape_position is then a number.
    """
    action = sysfs.attribute(host, name, "md/sync_action")
    if state == "read-auto" and action == "idle":
        pending = [word for word, path in (("resync", "md/resync_start"), ("reshape", "md/reshape_position")) if
                   sysfs.number(host, name, path) is not None]
        action = pending[0] if pending else action
    if action not in SYNC_HEALTH:
        return None
    completed = (sysfs.attribute(host, name, "md/sync_completed") or "").split(" / ")
    done, total = [int(part) for part in completed] if len(completed) == 2 else (None, None)
    speed = (sysfs.number(host, name, "md/sync_speed") or 0) * 1024
    return collections.OrderedDict([
        ("action", action),
        ("done_ratio", round(float(done) / total, 4) if total else None),
        ("speed_bytes_s", speed),
        ("remaining_s", (total - done) * sysfs.SECTOR_BYTES // speed if total and speed else None),
    ])


def _health(host, name, level, state, members, sync):
    """Return (health, how many more failures are survived for certain); while an array is reshaped, in its old shape as in its new one."""
    if state in STOPPED:
        return "inactive", 0
    alive = {member["slot"] for member in members if member["state"] == "active"}
    layout = sysfs.number(host, name, "md/layout") if level == "raid10" else 0
    counts = sysfs.numbers(host, name, "md/raid_disks") or [0]
    dead = [slot for slot in range(counts[0]) if slot not in alive]
    left = min(redundancy(level, count, [slot for slot in dead if slot < count], layout or 0) for count in counts)
    if left < 0 or state == "broken":
        return "failed", 0
    if sync and (not dead or sync["action"] == "recover"):
        return SYNC_HEALTH[sync["action"]], left
    if dead:
        return "degraded", left
    return ("optimal" if is_redundant(level) else "no_redundancy"), left
