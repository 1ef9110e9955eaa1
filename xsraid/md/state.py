"""Arrays as they are now, from sysfs, udev's database and /etc/mdadm.conf; the verb `list_arrays`.
Nothing here runs a command or changes a thing.
"""

from __future__ import absolute_import

import collections
import errno
import os
import re
import time

from xsraid.errors import BadArgument, UnknownArray
from xsraid.host import enclosures, stack, store, sysfs
from xsraid.md import conf, summary
from xsraid.md.levels import (
    CONTAINER,
    has_write_hole,
    is_known,
    is_redundant,
    lacks_journal,
    redundancy,
)
from xsraid.md.names import array_name
from xsraid.records import Record
from xsraid.states import Health, MemberState, SyncAction
from xsraid.text import md_uuid, same_uuid, to_bytes
from xsraid.xapi import objects, srs

CONFIGURATION = conf.OURS
# The second main file: mdadm reads one of the two, CentOS's ours where it is there, Debian's the
# second where it is there (mdadm.conf(5), CONFFILE and CONFFILE2 of its Makefile). Beside the one
# it reads the folder of its name.
SECOND = "/etc/mdadm/mdadm.conf"
DEBIAN = "/etc/debian_version"
FOLDER, PART = ".d", ".conf"
BY_ID = "/dev/disk/by-id/md-uuid-"
SYNC_HEALTH = {
    SyncAction.RESYNC: Health.RESYNCING,
    SyncAction.RECOVER: Health.REBUILDING,
    SyncAction.RESHAPE: Health.RESYNCING,
    SyncAction.CHECK: Health.CHECKING,
    SyncAction.REPAIR: Health.CHECKING,
}
MEMBER_TYPE = "linux_raid_member"  # libblkid's word, whose uuid is the array's
NODE = r"md(\d+|_d\d+)\Z"  # names that the kernel gives to arrays
STOPPED = ("clear", "inactive")
EXTERNAL_KINDS = ("imsm", "ddf")  # the tag metadata= of an ARRAY line for firmware RAID
# Md/metadata_version of a volume in one, with a hyphen while it is read-only.
IN_CONTAINER = r"external:[/-]([^/]+)/"
GONE = (None, "clear")  # array states of a node that has no array
# What is pending on an array that has not been written to yet, and the attribute that is a number
# then.
PENDING = ((SyncAction.RESYNC, "md/resync_start"), (SyncAction.RESHAPE, "md/reshape_position"))


class Array(Record):
    """An array, as `list_arrays` shows it.

    device: its node; by_id: the link that lasts, None if its uuid is not known; level: as sysfs
    names it; health: optimal, no_redundancy, checking, resyncing, rebuilding, degraded, failed,
    read_only, frozen, inactive, missing, container or unknown; redundancy_left: how many more
    failures are survived for certain, None if no data are on it; members: [Member]; sync: Sync or
    None; last_check: when a check ended; configured: whether an ARRAY line knows it; sr:
    objects.SrSummary or None.
    container: the node of that which a volume of firmware RAID is in; bad_blocks: nodes of members
    that have some; read_only, frozen, sync_held, sync_pending: True; used_by: noun phrases.
    Of alerts: described: [what is known of each member that is there]; nodes: all names of the
    array; there: nodes of all disks and partitions; last_action: md/last_sync_action.
    """

    RARE = (
        "bad_blocks",
        "container",
        "frozen",
        "read_only",
        "sync_held",
        "sync_pending",
        "used_by",
    )
    FIELDS = (
        "device",
        "by_id",
        "name",
        "uuid",
        "level",
        "size_bytes",
        "chunk_bytes",
        "health",
        "summary",
        "redundancy_left",
        "members",
        "sync",
        "mismatch_count",
        "last_check",
        "consistency_policy",
        "configured",
        "sr",
    ) + RARE
    INNER = ("described", "nodes", "there", "last_action")


class Member(Record):
    """A disk in an array, or a slot that lacks one.

    device: its node, None for a missing one; state: active, rebuilding, spare, journal, faulty or
    missing; errors: read errors that md corrected; smart: {"verdict", counts, "time"} or None. Of
    one that is gone: serial, and by_id, of the disk that was last seen there.
    """

    RARE = ("by_id",)
    FIELDS = (
        "device",
        "serial",
        "slot",
        "state",
        "errors",
        "being_replaced",
        "enclosure_slot",
        "smart",
    ) + RARE


class Sync(Record):
    """What is under way on an array. action: md/sync_action; done_ratio: 0 to 1 or None."""

    FIELDS = ("action", "done_ratio", "speed_bytes_s", "remaining_s")


def list_arrays(host, session, array):
    """Return {"arrays": [array record]} of this host, those that are configured but missing
    included.

    array: a node, name or uuid; None for all. One that something uses has `used_by`: noun phrases.
    Raises UnknownArray.
    """
    records = read_arrays(host)
    if array is not None:
        records = [find_array(host, array, records)]
    name_srs(host, session, records)
    built = stack.read(host) if records else None
    for record in records:
        users = (
            stack.in_words(built, record.device) if record.health not in Health.NOT_THERE else []
        )
        if users:
            record.used_by = users
    return {"arrays": records}


def spare_count(record):
    """Return how many spares an array has."""
    return len([member for member in record.members if member.state == MemberState.SPARE])


def lacks_member(record):
    """Return whether a slot of an array has no member in sync."""
    return any(
        member.state in (MemberState.MISSING, MemberState.REBUILDING) for member in record.members
    )


def is_untouched(host, record):
    """Return whether an array runs, but nobody has written to it since it was started: nor has md
    to its members.
    """
    return sysfs.attribute(host, sysfs.name_of(record.device), "md/array_state") == "read-auto"


def sector_bytes(host, record):
    """Return the size of an array's logical sectors, None if it is not known."""
    return sysfs.number(host, sysfs.name_of(record.device), "queue/logical_block_size")


def has_checked_all(host, name):
    """Return whether the last check of an array, by its kernel name, went to the end: sync_min is
    where one that was cut short would go on. A kernel that does not tell the last action has none.
    """
    last_action = sysfs.attribute(host, name, "md/last_sync_action")
    return last_action in (None, SyncAction.CHECK) and not sysfs.number(host, name, "md/sync_min")


def read_configuration(host):
    """Return the mdadmconf.Configuration of this host: our file, all others that mdadm reads, and
    those that it would read but for another one.

    Raises EnvironmentError for one that is there and cannot be read.
    """
    ours, second = host.read_if_there(CONFIGURATION), host.read_if_there(SECOND)
    is_debian = (ours is None or second is not None) and host.read_if_there(DEBIAN) is not None
    is_second = (
        ours is None and (is_debian or second is not None) or is_debian and second is not None
    )
    others = [conf.ConfFile(SECOND, second, is_second)] if second is not None else []
    for main, is_read in ((CONFIGURATION, not is_second), (SECOND, is_second)):
        others += [conf.ConfFile(path, text, is_read) for path, text in _parts(host, main + FOLDER)]
    takes_over = is_second and ours is None and not (is_debian and second is not None)
    return conf.Configuration(ours or "", others, CONFIGURATION, not is_second, takes_over)


def _parts(host, folder):
    """Return [(path, text)] of the files in a folder that mdadm reads, in its order."""
    names = [
        name
        for name in host.names(folder)
        if name.endswith(PART) and len(name) > len(PART) and not name.startswith(".")
    ]
    paths = ["%s/%s" % (folder, name) for name in sorted(names, key=to_bytes)]
    texts = [(path, _text_of_part(host, path)) for path in paths]
    return [(path, text) for path, text in texts if text is not None]


def _text_of_part(host, path):
    """Return the text of a file in such a folder, None for a link that leads nowhere and for a
    folder.
    """
    try:
        return host.read_if_there(path)
    except EnvironmentError as error:
        if error.errno == errno.EISDIR:
            return None
        raise


def read_arrays(host):
    """Return the records of all arrays in the order of their nodes, `sr` still None."""
    configuration = read_configuration(host)
    lines, home = configuration.array_lines(), configuration.home(os.uname()[1])
    records, met, slots, care = [], [], enclosures.slots(host), store.read(host, store.CARE) or {}
    for name, state in _names(host):
        properties = _properties(host, name)
        facts = _facts(host, name, properties, lines)
        line = conf.line_of(facts, lines, home)
        record = _read_array(host, name, state, properties, facts.uuid, line, slots, care)
        # Else it was stopped meanwhile, and what was read last of it was nothing.
        if sysfs.attribute(host, name, "md/array_state") not in GONE:
            records.append(record)
            met.append(line)
    uuids = [record.uuid for record in records]
    wanted = [line for line in configuration.wanted_lines() if line not in met]
    for line in wanted:
        if line.uuid is not None and line.uuid not in uuids:
            records.append(_missing(host, line))
            uuids.append(line.uuid)
    records += _stopped(host, [line for line in wanted if line.uuid is None], home, uuids)
    return sorted(records, key=lambda record: (len(record.device), record.device))


def running_lines(host):
    """Return the ArrayLines that know an array that the kernel has and that is not inactive."""
    configuration = read_configuration(host)
    lines, home = configuration.array_lines(), configuration.home(os.uname()[1])
    running = [name for name, state in _names(host) if state != "inactive"]
    return [
        conf.line_of(_facts(host, name, _properties(host, name), lines), lines, home)
        for name in running
    ]


def lines_naming(host, record):
    """Return the ArrayLines that know the array of a record without giving its uuid, or by one that
    mdadm cannot read.
    """
    configuration = read_configuration(host)
    lines, home = configuration.array_lines(), configuration.home(os.uname()[1])
    name = sysfs.name_of(record.device)
    facts = _facts(host, name, _properties(host, name), lines)
    return [line for line in lines if line.uuid is None and conf.line_of(facts, [line], home)]


def _names(host):
    """Return [(kernel name, md/array_state)] of the arrays that the kernel has."""
    names = [name for name in sysfs.block_devices(host) if name.startswith("md")]
    states = [(name, sysfs.attribute(host, name, "md/array_state")) for name in names]
    return [(name, state) for name, state in states if state not in GONE]


def _properties(host, name):
    return sysfs.udev_properties(host, sysfs.attribute(host, name, "dev"))


def _facts(host, name, properties, lines):
    """Return the ArrayFacts of one array that the kernel has; its members are only asked where a
    line gives no uuid.
    """
    version = sysfs.attribute(host, name, "md/metadata_version") or ""
    labels, devices = [properties.get("MD_NAME")], []
    entries = []
    if any(line.uuid is None for line in lines):
        entries = host.names("/sys/block/%s/md" % name)
    for entry in entries:
        if entry.startswith("dev-"):
            number = sysfs.attribute(host, name, "md/%s/block/dev" % entry)
            known = sysfs.udev_properties(host, number)
            devices += [sysfs.node(entry[len("dev-") :])] + known["links"]
            if known.get("ID_FS_TYPE") == MEMBER_TYPE:
                labels.append(known.get("ID_FS_LABEL"))
    number = re.match(r"md([0-9]+)\Z", name)
    super_minor = int(number.group(1)) if number and version == "0.90" else None
    return conf.ArrayFacts(
        uuid=_uuid(host, name, properties),
        name=next((label for label in labels if label), None),
        devices=tuple(devices),
        super_minor=super_minor,
        level=conf.LEVELS.get(sysfs.attribute(host, name, "md/level")),
        device_count=sysfs.number(host, name, "md/raid_disks"),
        metadata=version or None,
    )


def _stopped(host, lines, home, uuids):
    """Return records of arrays that do not run and that lines without a uuid ask for; uuids: uuids
    of those that have a record already.

    Which array that is, the disks tell, as far as udev has read them.
    """
    found = collections.OrderedDict()
    for device, number in sysfs.disks_and_partitions(host) if lines else []:
        properties = sysfs.udev_properties(host, number)
        if properties.get("ID_FS_TYPE") == MEMBER_TYPE and properties.get("ID_FS_UUID"):
            uuid = md_uuid(properties["ID_FS_UUID"])
            facts = found.get(uuid, conf.ArrayFacts(uuid=uuid, name=properties.get("ID_FS_LABEL")))
            found[uuid] = facts._replace(
                devices=facts.devices + (device,) + tuple(properties["links"])
            )
    by_uuid = [(uuid, conf.line_of(facts, lines, home)) for uuid, facts in found.items()]
    met = [line for _, line in by_uuid]
    records = [_missing(host, line, uuid) for uuid, line in by_uuid if line and uuid not in uuids]
    return records + [_missing(host, line) for line in lines if line not in met and _node_of(line)]


def _node_of(line, uuid=None):
    """Return the node that an array of a line has or will have, None if mdadm chooses it."""
    if line.node:
        return line.node
    if uuid:
        return BY_ID + uuid
    return "/dev/md/" + array_name(line.name) if line.name else None


def active_members(record):
    """Return the nodes of the members of an array record that serve."""
    return [member.device for member in record.members if member.state == MemberState.ACTIVE]


def find_array(host, wanted, records=None):
    """Return the record of the one array with that node (by any of its links), uuid or name. Raises
    UnknownArray.

    What looks like a node (`md0`, `/dev/md0`) means the array there, or the one to which an ARRAY
    line gives that node, and no other of this name.
    """
    records = read_arrays(host) if records is None else records
    node = wanted if wanted.startswith("/") else "/dev/" + wanted
    real = host.real_path(node)
    named = [record for record in records if record.name == wanted.rsplit("/", 1)[-1]]
    for record in records:
        if record.device in (real, node) or record.uuid and same_uuid(record.uuid, wanted):
            return record
    for line_node, uuid in read_configuration(host).arrays():
        for record in records if line_node == node and uuid else []:
            if record.uuid and same_uuid(record.uuid, uuid):
                return record
    if wanted.startswith("/") or re.match(NODE, wanted):
        others = ", ".join("%s (uuid %s)" % (record.device, record.uuid) for record in named)
        if others:
            raise UnknownArray(
                wanted,
                "no array of this host has this node; an array of this name has another: %s. If it "
                "is meant, give that node or the uuid" % others,
            )
        raise UnknownArray(wanted)
    if len(named) > 1:
        raise UnknownArray(
            wanted,
            "several arrays have this name: %s; give the node or the uuid"
            % ", ".join("%s (uuid %s)" % (record.device, record.uuid) for record in named),
        )
    if not named:
        raise UnknownArray(wanted)
    return named[0]


def name_srs(host, session, records):
    """Fill in the SR on each array."""
    if not records:
        return
    finder = srs.Finder(host, session)
    for record in records:
        found = finder.find(record)
        if found:
            record.sr = objects.sr_summary(session, found.sr)


def _read_array(host, name, state, properties, uuid, line, slots, care):
    """Return the record of one array that the kernel has.

    properties: udev's of it; line: the ArrayLine that knows it; slots: of `enclosures`; care: the
    note store.CARE.
    """
    level = sysfs.attribute(host, name, "md/level") or None
    member_count = sysfs.number(host, name, "md/raid_disks") or 0
    members = _members(host, name, level, member_count, slots)
    for member in members:
        member.smart = _smart(host, care, member)
    _recall(host, uuid, members)
    sync = _sync(host, name, state, uuid)
    policy = sysfs.attribute(host, name, "md/consistency_policy") or None  # from Linux 4.12 on
    checked = care.get("arrays", {}).get(uuid, {})
    if lacks_journal(policy, members):
        health, left = Health.FAILED, 0
    else:
        health, left = _health(host, name, level, state, members, sync)
    if left and _may_parity_be_wrong(host, name, level, policy, sync, uuid):
        left = 0
    record = Array(
        device=sysfs.node(name),
        by_id=_link(uuid),
        name=array_name(properties.get("MD_NAME") or name),
        uuid=uuid,
        level=level,
        size_bytes=sysfs.size_bytes(host, name),
        chunk_bytes=sysfs.number(host, name, "md/chunk_size") or None,
        health=health,
        redundancy_left=left,
        members=members,
        sync=sync,
        mismatch_count=_mismatch_count(host, name, checked),
        last_check=iso_time(_last_check(host, name, checked, sync)),
        consistency_policy=policy,
        configured=line is not None,
    )
    if health == Health.CONTAINER:
        record.level = CONTAINER
    _add_the_rare(host, name, state, record)
    if health in (Health.OPTIMAL, Health.NO_REDUNDANCY):
        if record.read_only:
            record.health = Health.READ_ONLY
        elif record.frozen:
            record.health = Health.FROZEN
    record.summary = summary.sentence(record)
    return record


def _add_the_rare(host, name, state, record):
    """Fill in what is told of an array only where it is out of the ordinary."""
    within = re.match(IN_CONTAINER, sysfs.attribute(host, name, "md/metadata_version") or "")
    if within:
        record.container = sysfs.node(within.group(1))
    if state == "readonly":
        record.read_only = True
    if state == "read-auto" and record.sync:
        record.sync_pending = True
    if sysfs.attribute(host, name, "md/sync_action") == SyncAction.FROZEN:
        record.frozen = True
    # Of a reshape mdadm itself moves md/sync_max on.
    may_be_held = record.sync and record.sync.action != SyncAction.RESHAPE
    if may_be_held and (sysfs.attribute(host, name, "md/sync_max") or "max") != "max":
        record.sync_held = True
    there = [member.device for member in record.members if member.device]
    bad = [
        device
        for device in there
        if sysfs.attribute(host, name, "md/dev-%s/bad_blocks" % sysfs.name_of(device))
    ]
    record.bad_blocks = bad or None


def _link(uuid):
    return BY_ID + uuid if uuid else None


def is_container(host, name):
    """Return whether an array is the container of firmware RAID."""
    return (
        re.match(r"external:[^/-]", sysfs.attribute(host, name, "md/metadata_version") or "")
        is not None
    )


def state_in_words(record):
    """Return what an array record's health is called in a sentence on why something cannot be
    done.
    """
    if record.health == Health.INACTIVE:
        return (
            "inactive (once its members are there, `systemctl restart xsraid-assemble.service` "
            "starts it)"
        )
    return "the container of firmware RAID" if record.health == Health.CONTAINER else record.health


def refuse_firmware(record, what):
    """Raise BadArgument for firmware RAID, a container or a volume in one: its metadata are the
    firmware's and of all its volumes together.

    what: what is refused, such as `is deleted`.
    """
    if record.level == CONTAINER or record.container:
        container = record.container or record.device
        raise BadArgument(
            "array",
            "%s is firmware RAID, which %s in the setup of the firmware or with mdadm, in its "
            "container %s" % (record.device, what, container),
        )


def _missing(host, line, uuid=None):
    """Return the record of an array that does not run, with what is remembered of its members;
    uuid: where it is known though the line does not give it.
    """
    uuid = line.uuid or uuid
    node = _node_of(line, uuid)
    record = Array(
        device=node,
        by_id=_link(uuid),
        name=node.rsplit("/", 1)[-1],
        uuid=uuid,
        health=Health.MISSING,
        redundancy_left=0,
        members=_remembered(host, uuid),
        configured=True,
        container=line.container,
    )
    if line.metadata in EXTERNAL_KINDS and line.container is None:
        record.level = CONTAINER
    record.summary = summary.sentence(record)
    return record


def _uuid(host, name, properties):
    """Return the uuid in mdadm's form: as udev has it from mdadm, from the kernel (6.0 and later:
    md/uuid), or as udev read it on a member.

    The kernel has only zeros for an array that waits for members, and for 0.90 superblocks it has
    each word's bytes reversed.
    """
    known = properties.get("MD_UUID")
    if not known and (sysfs.attribute(host, name, "md/metadata_version") or "").startswith("1."):
        known = sysfs.attribute(host, name, "md/uuid")
    if (known or "").strip("0-:"):
        return md_uuid(known)
    known = None
    for entry in host.names("/sys/block/%s/md" % name):
        if entry.startswith("dev-"):
            number = sysfs.attribute(host, name, "md/%s/block/dev" % entry)
            of_member = sysfs.udev_properties(host, number)
            if of_member.get("ID_FS_TYPE") == MEMBER_TYPE:
                known = of_member.get("ID_FS_UUID")
    return md_uuid(known) if (known or "").strip("0-:") else None


def _members(host, name, level, member_count, slots):
    """Return the members in the order of their slots, then spares and failed ones; a slot without
    any member is one that is missing.
    """
    members, replacements = [], []
    for entry in host.names("/sys/block/%s/md" % name):
        if not entry.startswith("dev-"):
            continue
        state = sysfs.attribute(host, name, "md/%s/state" % entry)
        member = (
            None if state is None else _member(host, name, level, entry, state.split(","), slots)
        )
        # None: it has just gone, each that is there has a count.
        if member is not None and member.errors is not None:
            members.append(member)
            if "replacement" in state.split(","):
                replacements.append(member.slot)
    # After a reboot md knows the replacement, but marks the one that it replaces no more.
    for member in members:
        member.being_replaced = (
            member.being_replaced
            or member.state == MemberState.ACTIVE
            and member.slot in replacements
        )
    filled = [member.slot for member in members if member.state != MemberState.FAULTY]
    for slot in range(member_count):
        if slot not in filled:
            members.append(Member(slot=slot, state=MemberState.MISSING, being_replaced=False))
    return sorted(members, key=lambda m: (m.slot is None, m.slot or 0, m.device or ""))


def _member(host, name, level, entry, flags, slots):
    """Return the record of one member. Without redundancy md fails none (before 5.4 it does not
    even call the array broken): there its disk tells.
    """
    number = sysfs.attribute(host, name, "md/%s/block/dev" % entry)
    is_gone = number is None and not is_redundant(level)
    slot = sysfs.attribute(host, name, "md/%s/slot" % entry)
    slot = int(slot) if slot and slot.isdigit() else None
    if MemberState.FAULTY in flags or is_gone:
        state = MemberState.FAULTY
    elif MemberState.JOURNAL in flags:
        state = MemberState.JOURNAL
    elif "in_sync" in flags:
        state = MemberState.ACTIVE
    else:
        state = MemberState.SPARE if slot is None else MemberState.REBUILDING
    properties = sysfs.udev_properties(host, number)
    device = entry[len("dev-") :]
    return Member(
        device=sysfs.node(device),
        serial=sysfs.serial(host, device, properties),
        slot=slot,
        state=state,
        errors=sysfs.number(host, name, "md/%s/errors" % entry),
        being_replaced="want_replacement" in flags,
        enclosure_slot=_enclosure_slot(host, name, entry, slots),
    )


def _enclosure_slot(host, name, entry, slots):
    """Return the name of the slot that the disk of a member is in; a partition's own place in sysfs
    is below its disk's.
    """
    places = host.real_path("/sys/block/%s/md/%s/block" % (name, entry)).split("/") if slots else []
    return next((slots[place].name for place in places if place in slots), None)


def _slots(host, uuid):
    return (store.read(host, store.RAN_FROM) or {}).get(uuid, {}).get("slots", {})


def _remembered(host, uuid):
    """Return the members that an array had when it was last seen running."""
    slots = _slots(host, uuid)
    return [
        Member(
            slot=int(slot),
            state=MemberState.MISSING,
            being_replaced=False,
            serial=slots[slot]["serial"],
            by_id=slots[slot]["by_id"],
        )
        for slot in sorted(slots, key=int)
    ]


def _recall(host, uuid, members):
    """Fill in of members that are gone what is remembered of them."""
    gone = [
        member for member in members if member.state in (MemberState.MISSING, MemberState.FAULTY)
    ]
    unknown = [member for member in gone if member.serial is None]
    slots = _slots(host, uuid) if unknown else {}
    by_device = {known["device"]: known for known in slots.values()}
    for member in unknown:
        known = (
            slots.get(str(member.slot)) if member.device is None else by_device.get(member.device)
        )
        if known:
            member.serial, member.by_id = known["serial"], known["by_id"]


def _mismatch_count(host, name, checked):
    """Return how many sectors did not agree when the array was last compared: a boot, and each
    rebuild, resets the kernel's count. checked: what store.CARE has of the array.
    """
    last_action = sysfs.attribute(host, name, "md/last_sync_action") if "found" in checked else None
    if last_action is None or last_action in (SyncAction.CHECK, SyncAction.REPAIR):
        return sysfs.number(host, name, "md/mismatch_cnt")
    return checked["found"]


def _last_check(host, name, checked, sync):
    """Return when a check ended; of one that has just done so, and is to be noted within minutes,
    when it began.
    """
    if checked.get("is_asked") and sync is None and has_checked_all(host, name):
        return checked.get("begun")
    return checked.get("done")


def _smart(host, care, member):
    """Return what a member's disk said of its health when it was last asked, None if that is not
    known.
    """
    disks = care.get("disks", {})
    known = disks.get(sysfs.disk_key(host, member.device)) if disks and member.device else None
    return (
        collections.OrderedDict(list(known["seen"].items()) + [("time", iso_time(known["time"]))])
        if known
        else None
    )


def iso_time(seconds):
    """Return a time as UTC in ISO 8601, None for None."""
    return None if seconds is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _sync(host, name, state, uuid):
    """Return what resync, recovery, check or reshape is under way or due, None when none is.

    The kernel's md.rst: sync_completed counts sectors, sync_speed KiB/s. An array that was cut off
    while it synchronised or was reshaped, and has not been written to since (read-auto), goes on
    with the first write: resync_start or reshape_position is then a number.
    """
    action = sysfs.attribute(host, name, "md/sync_action")
    if state == "read-auto" and action == SyncAction.IDLE:
        pending = [word for word, path in PENDING if sysfs.number(host, name, path) is not None]
        action = pending[0] if pending else action
    if action == SyncAction.IDLE and is_repair_due(host, uuid):
        action = SyncAction.REPAIR
    if action not in SYNC_HEALTH:
        return None
    completed = (sysfs.attribute(host, name, "md/sync_completed") or "").split(" / ")
    speed = (sysfs.number(host, name, "md/sync_speed") or 0) * 1024
    done_ratio = remaining_s = None
    if len(completed) == 2:  # `none` before it begins
        done, total = map(int, completed)
        if total:
            done_ratio = round(float(done) / total, 4)
        if total and speed:
            remaining_s = (total - done) * sysfs.SECTOR_BYTES // speed
    return Sync(action=action, done_ratio=done_ratio, speed_bytes_s=speed, remaining_s=remaining_s)


def _may_parity_be_wrong(host, name, level, policy, sync, uuid):
    """Return whether an array with a write hole still needs a resync (the kernel's md.rst:
    resync_start is `none` if not), or the repair that is due after a reshape.
    """
    if not has_write_hole(level, policy):
        return False
    if sysfs.number(host, name, "md/resync_start") is not None:
        return True
    return sync is not None and (
        sync.action == SyncAction.RESYNC
        or bool(uuid)
        and store.read(host, store.RESHAPED, uuid) is not None
    )


def is_repair_due(host, uuid):
    """Return whether an array's parity is to be repaired after a reshape, and is not yet."""
    note = store.read(host, store.RESHAPED, uuid) if uuid else None
    return note is not None and note.get("boot") != sysfs.boot_id(host)


def is_parity_being_made(host, record):
    """Return whether an array record has less redundancy than its members make, as its parity may
    be wrong until a resync ends.
    """
    return _may_parity_be_wrong(
        host,
        sysfs.name_of(record.device),
        record.level,
        record.consistency_policy,
        record.sync,
        record.uuid,
    )


def _health(host, name, level, state, members, sync):
    """Return (health, how many more failures are survived for certain); while an array is reshaped,
    in its old shape as in its new one.
    """
    if state in STOPPED:
        return (Health.CONTAINER, None) if is_container(host, name) else (Health.INACTIVE, 0)
    alive = {member.slot for member in members if member.state == MemberState.ACTIVE}
    layout = sysfs.number(host, name, "md/layout") if level == "raid10" else 0
    counts = sysfs.numbers(host, name, "md/raid_disks") or [0]
    dead = [slot for slot in range(max(counts)) if slot not in alive]
    in_each_shape = []
    for count in counts:
        dead_now = [slot for slot in dead if slot < count]
        in_each_shape.append(redundancy(level, count, dead_now, layout or 0))
    left = min(in_each_shape)
    if left < 0 or state == "broken":
        return Health.FAILED, 0
    left = left if is_known(level) else 0  # for certain
    if sync and (not dead or sync.action == SyncAction.RECOVER):
        return SYNC_HEALTH[sync.action], left
    if dead:
        return Health.DEGRADED, left
    if not is_known(level):
        return Health.UNKNOWN, left
    return (Health.OPTIMAL if is_redundant(level) else Health.NO_REDUNDANCY), left
