"""The judge: whether a disk may be used and an array given up, and if not, every reason why. Pure:
from a Graph of the host and nothing else.

What cannot be found out counts as a reason.
"""

from __future__ import absolute_import

import collections
import re

from xsraid.disks import lvm
from xsraid.disks.signatures import PARTITION_TABLES
from xsraid.host import physical_volume, stack, sysfs
from xsraid.md import conf
from xsraid.md import state as md_state
from xsraid.states import Health
from xsraid.text import md_uuid, same_uuid
from xsraid.xapi import sr_types

DISK_MIN_BYTES = 16 << 20  # less holds no superblock, bitmap and data worth the name
SECTOR_BYTES = 512  # what lvm and ext SRs can make disks of VMs on
BOOT_MOUNTS = ("/", "/boot", "/boot/efi")
ANY_HOME = conf.Home(None, False)
OPTICAL_TYPE = "5"  # SCSI peripheral device type, sysfs device/type
MAY_BE_REMOVABLE = (
    "it is a removable medium, or its controller says so of each disk: allow_removable=true takes "
    "it where it is a fixed one"
)
OTHER_SECTORS = (
    "its logical sectors have %d bytes, on which storage repositories of type lvm and ext make no "
    "disks for VMs (SR_BACKEND_FAILURE_78); allow_4k=true takes it for other uses"
)

FORMER = (
    " (which runs without it: add_disk takes it in again, remove_disk array=%s with wipe_old=true "
    "frees it for another use)"
)

# In the order in which they are told: the first is the reason that a refusal names.
REASONS = (
    "BOOT_DISK",
    "MOUNTED",
    "SWAP",
    "RAID_MEMBER",
    "MULTIPATH",
    "DEVICE_MAPPER",
    "LVM_PV",
    "SR_DEVICE",
    "PARTITIONS",
    "HELD",
    "READ_ONLY",
    "REMOVABLE",
    "OPTICAL",
    "TOO_SMALL",
    "SECTOR_SIZE",
    "UNREADABLE",
)

# What the host is at one moment. Names are kernel names. numbers: {"sda1": "8:1"}; above: {"sda":
# ["sda1", "md0"]}, the partitions of each device and what is built on it; partitions: {"md0":
# ["md0p1"]} of all disks and arrays; paths: {"sda": ["sdc"]}, other names under which the same disk
# may be there; links: {"sda": by-id link}, what to call it in a command; names: {"sda": all links
# to it}; mounts: {"8:1": ["/boot"]}; swaps: set of "8:2"; dm_uuids: {"dm-0": "LVM-..."}; dm_names:
# {"dm-0": "group-volume"}; arrays: md's records of arrays that exist or are configured; lines:
# mdadmconf.ArrayLines of all configuration files; sr_devices: {"8:16": uuid of the SR}; srs: {uuid:
# Sr} of all that XAPI knows; contents: {"sda": [probe.Signature]}; unreadable: {"sdb": why};
# groups: {"8:17": Group} of LVM's physical volumes; copies: set of "8:17", those of which LVM says
# nothing: their own metadata names the group.
Graph = collections.namedtuple(
    "Graph",
    "numbers above partitions paths links names mounts swaps dm_uuids dm_names arrays lines "
    "sr_devices srs contents unreadable groups copies",
)
# pbd_uuid: of this host's PBD, None if it has none.
Sr = collections.namedtuple("Sr", "name pbd_uuid")
# held: {kernel name: sentence} of the disk, its other paths and their partitions; transport: such
# as "usb", None if it is not known.
DiskFacts = collections.namedtuple(
    "DiskFacts",
    "name size_bytes sector_bytes read_only removable scsi_type transport partitions held",
)
# What uses an array, or keeps it from being given up. reason: a word of REASONS; what: a noun
# phrase; advice: how to free the array of it.
ArrayUse = collections.namedtuple("ArrayUse", "reason what advice")


def decide(facts, graph, allow_4k=False, allow_removable=False):
    """Return (refusals, stale) of one disk.

    refusals: all reasons [{"reason", "detail"}] why it may not be used; stale: its existing
    signatures [{"type", "offset_bytes", "device", "label"}], empty if there is a refusal.
    """
    reasons, stale, busy = {}, [], []
    for device in [facts.name] + facts.partitions:
        family = _family(device, facts.partitions, graph)
        found = _by_reason(_uses(device, family, graph))
        stale += _content(device, family, graph, found)
        if found and device != facts.name:
            busy.append("its partition %s is in use" % sysfs.node(device))
        _add(reasons, found, "")
    for path in graph.paths.get(facts.name, []):
        partitions = graph.partitions.get(path, [])
        for device in [path] + partitions:
            found = _by_reason(_uses(device, _family(device, partitions, graph), graph))
            _add(reasons, found, "it may be the same disk as %s: " % sysfs.node(path))
    has_table = any(item["type"] in PARTITION_TABLES for item in stale)
    if facts.partitions and not busy and not has_table:
        busy.append(
            "it has partitions (%s) by a table that wipefs does not know: clear it by hand if "
            "nobody needs it" % " ".join(sysfs.node(device) for device in facts.partitions)
        )
    if busy:
        reasons["PARTITIONS"] = busy
    reasons.update(_by_reason(_limits(facts, graph, allow_4k, allow_removable)))
    if facts.held and not reasons:
        reasons["HELD"] = [
            "%s: %s" % (sysfs.node(device), facts.held[device]) for device in sorted(facts.held)
        ]
        held_partitions = [
            "its partition %s is in use" % sysfs.node(device)
            for device in facts.partitions
            if device in facts.held
        ]
        if held_partitions:
            reasons["PARTITIONS"] = held_partitions
    refusals = [
        collections.OrderedDict([("reason", word), ("detail", "; ".join(reasons[word]))])
        for word in REASONS
        if word in reasons
    ]
    return refusals, [] if refusals else stale


def decide_array(name, graph, held):
    """Return (uses, stale) of an array that is there.

    uses: [ArrayUse] of it, of its partitions and of all that is built on them, and what cannot be
    found out; while there is one, nobody may stop the array or write on it. stale: what is on the
    array itself and idle [{"type", "offset_bytes", "device", "label"}]: an LVM group without active
    volumes (its name is the label), the superblock of an array that is neither there nor
    configured, a file system, a partition table.
    held: {kernel name: sentence} of the array and its partitions that somebody holds exclusively.
    """
    uses, stale = [], []
    partitions = graph.partitions.get(name, [])
    for device in [name] + partitions:
        family = _family(device, partitions, graph)
        uses += _array_uses(device, family, graph)
        items = []
        for signature in graph.contents.get(device, []):
            use, label = _array_content(device, family, signature, graph)
            uses += use
            items += [] if use else [_stale_item(device, signature, label)]
        if device == name:
            stale = items
        else:
            uses += [
                ArrayUse(
                    "PARTITIONS",
                    "%s on its partition" % stale_in_words([item]),
                    "If nobody needs it: `wipefs --all %s`." % _lasting(device, graph),
                )
                for item in items
            ]
        if device in graph.unreadable:
            uses.append(
                ArrayUse(
                    "UNREADABLE",
                    "%s cannot be looked at (%s)" % (sysfs.node(device), graph.unreadable[device]),
                    "Find out why before it is overwritten.",
                )
            )
    if held and not uses:
        uses = [
            ArrayUse("HELD", "%s: %s" % (sysfs.node(device), held[device]), "Free it first.")
            for device in sorted(held)
        ]
    return _each_once(uses), stale


def _each_once(uses):
    seen = []
    for use in uses:
        if use.what not in [other.what for other in seen]:
            seen.append(use)
    return sorted(
        seen, key=lambda use: REASONS.index(use.reason) if use.reason != "SR_DEVICE" else -1
    )


def _by_reason(found):
    """Return {reason: [detail]} of (reason, detail)."""
    reasons = {}
    for word, detail in found:
        reasons.setdefault(word, []).append(detail)
    return reasons


def _add(reasons, found, prefix):
    for word, details in found.items():
        known = reasons.setdefault(word, [])
        known += [prefix + detail for detail in details if prefix + detail not in known]


def _family(device, partitions, graph):
    """Return a disk or partition and all that is built on it; for a disk, its partitions are left
    out: each has a family of its own.
    """
    own = dict(graph.above)
    own[device] = [member for member in graph.above.get(device, []) if member not in partitions]
    return stack.family_of(device, own)


def _uses(device, family, graph):
    """Yield (reason, detail) for what uses a disk or partition at this moment: itself, or something
    that is built on it.
    """
    mounted = _mounted(family, graph)
    above = family[1:]
    multipath = [member for member in above if graph.dm_uuids.get(member, "").startswith("mpath-")]
    mapped = [member for member in above if member in graph.dm_uuids and member not in multipath]
    arrays = [member for member in above if stack.is_array(member)]
    others = [
        member
        for member in above
        if member not in multipath + mapped + arrays and not _is_partition(member, graph)
    ]
    for node, place in mounted:
        if place in BOOT_MOUNTS:
            yield "BOOT_DISK", "%s on %s" % (node, place)
        yield "MOUNTED", "%s on %s" % (node, place)
    for node in _swapped(family, graph):
        yield "SWAP", "%s is swap space" % node
    for member in arrays:
        yield "RAID_MEMBER", _member_of(member, graph)
    for member in multipath:
        yield "MULTIPATH", "it is a path of %s" % sysfs.node(member)
    for member in mapped:
        yield "DEVICE_MAPPER", "%s is built on it" % _mapped_in_words(member, graph)
    for detail in _sr_devices(family, graph):
        yield "SR_DEVICE", detail
    for member in others:
        yield "HELD", "%s holds it" % sysfs.node(member)


def _array_uses(device, family, graph):
    """Return [ArrayUse] of what uses an array or one of its partitions at this moment."""
    above = [member for member in family[1:] if not _is_partition(member, graph)]
    of_groups = [member for member in above if graph.dm_uuids.get(member, "").startswith("LVM-")]
    uses = [
        _sr_use(graph.sr_devices[graph.numbers[member]], graph)
        for member in family
        if graph.numbers.get(member) in graph.sr_devices
    ]
    uses += [
        ArrayUse("MOUNTED", "the mount %s" % place, "Unmount it first: `umount %s`." % place)
        for _, place in _mounted(family, graph)
    ]
    uses += [
        ArrayUse("SWAP", "swap on %s" % node, "Switch it off first: `swapoff %s`." % node)
        for node in _swapped(family, graph)
    ]
    uses += [
        ArrayUse(
            "RAID_MEMBER",
            "the array %s, which is built on it" % sysfs.node(member),
            "If nobody needs that one: delete it first.",
        )
        for member in above
        if stack.is_array(member)
    ]
    uses += [
        ArrayUse(
            "LVM_PV",
            _mapped_in_words(member, graph),
            "If nobody needs it: `vgremove` takes its volume group away.",
        )
        for member in of_groups
    ]
    uses += [
        ArrayUse("DEVICE_MAPPER", _mapped_in_words(member, graph), "Free it first.")
        for member in above
        if member in graph.dm_uuids and member not in of_groups
    ]
    others = [
        member for member in above if member not in graph.dm_uuids and not stack.is_array(member)
    ]
    return uses + [ArrayUse("HELD", sysfs.node(member), "Free it first.") for member in others]


def _array_content(device, family, signature, graph):
    """Return ([ArrayUse] or [] for what is idle, label) for what is on an array or on one of its
    partitions.
    """
    if signature.type == lvm.LABEL:
        group = _group(device, graph)
        name = group.name if group else None
        word, _ = _group_use(device, group, graph)
        if word == "SR_DEVICE":
            return [_sr_use(sr_types.uuid_of_group(name), graph)], name
        if word and _is_unclear(device, group, graph):
            what = "an LVM physical volume of which LVM does not say the group (%s)" % sysfs.node(
                device
            )
            return [ArrayUse(word, what, _pv_advice(device, graph))], name
        active = ArrayUse(
            word,
            "the volume group %s, which has active volumes" % name,
            "If nobody needs it: `vgremove %s`." % name,
        )
        return [active] if word else [], name
    if signature.type == md_state.MEMBER_TYPE and not any(
        stack.is_array(member) for member in family[1:]
    ):
        _, detail = _array_use(device, [device], signature, graph)
        nested = ArrayUse(
            "RAID_MEMBER",
            "an array that is built on it: %s" % detail,
            "If nobody needs that one: delete it first.",
        )
        return [nested] if detail else [], signature.label
    return [], signature.label


def _is_unclear(device, group, graph):
    """Return whether LVM itself does not say of which group a physical volume is; its own metadata
    may name one, `group`.
    """
    return group is None or graph.numbers.get(device) in graph.copies


def _sr_use(uuid, graph):
    sr = graph.srs[uuid]
    unplug = "`xe pbd-unplug uuid=%s`, then " % sr.pbd_uuid if sr.pbd_uuid else ""
    return ArrayUse(
        "SR_DEVICE",
        "the storage repository %s" % sr.name,
        "If nobody needs it and the disks of VMs on it: %s`xe sr-destroy uuid=%s`."
        % (unplug, uuid),
    )


def _group(device, graph):
    return graph.groups.get(graph.numbers.get(device))


def _pv_advice(device, graph):
    return "If nobody needs what is on it: `wipefs --all --types LVM2_member %s`." % _lasting(
        device, graph
    )


def _lasting(device, graph):
    """Return the path to call a device by in a command: one that is right after a reboot, too, if
    there is one.
    """
    return graph.links.get(device) or sysfs.node(device)


def _is_partition(name, graph):
    return any(name in partitions for partitions in graph.partitions.values())


def _mounted(family, graph):
    return [
        (sysfs.node(member), place)
        for member in family
        for place in graph.mounts.get(graph.numbers.get(member), [])
    ]


def _swapped(family, graph):
    return [sysfs.node(member) for member in family if graph.numbers.get(member) in graph.swaps]


def _sr_devices(family, graph):
    numbered = [(member, graph.numbers.get(member)) for member in family]
    return [
        "%s is a device of the storage repository %s"
        % (sysfs.node(member), graph.srs[graph.sr_devices[number]].name)
        for member, number in numbered
        if number in graph.sr_devices
    ]


def _mapped_in_words(name, graph):
    """Return what a device-mapper device is, as a noun phrase: an LVM volume by its group's and its
    own name.
    """
    dm_name = graph.dm_names.get(name) or ""
    if graph.dm_uuids[name].startswith("LVM-"):
        group, volume = physical_volume.volume_of(dm_name)
        if volume:
            return "%s (the volume %s of the volume group %s)" % (sysfs.node(name), volume, group)
    return "%s (%s)" % (sysfs.node(name), dm_name or graph.dm_uuids[name] or "device-mapper")


def _member_of(name, graph):
    record = next((record for record in graph.arrays if record.device == sysfs.node(name)), None)
    if record and record.health == Health.INACTIVE and not record.configured:
        return (
            "it is a member of %s, which is not running and not in /etc/mdadm.conf (if nobody "
            "needs it, `mdadm --stop %s`; its superblocks are then stale data)"
            % (sysfs.node(name), sysfs.node(name))
        )
    return "it is a member of the array %s" % sysfs.node(name)


def _content(device, family, graph, found):
    """Return the existing signatures of a disk or partition; what is in use goes into `found`
    {reason: details}.
    """
    stale = []
    for signature in graph.contents.get(device, []):
        label, word, detail = signature.label, None, None
        if signature.type == lvm.LABEL:
            group = _group(device, graph)
            label = group.name if group else label
            word, detail = _group_use(device, group, graph)
        elif signature.type == md_state.MEMBER_TYPE:
            word, detail = _array_use(device, family, signature, graph)
        if word is None:
            stale.append(_stale_item(device, signature, label))
        elif detail:
            found.setdefault(word, []).append(detail)
    return stale


def _stale_item(device, signature, label):
    return collections.OrderedDict(
        [
            ("type", signature.type),
            ("offset_bytes", signature.offset_bytes),
            ("device", sysfs.node(device)),
            ("label", label),
        ]
    )


def _group_use(device, group, graph):
    """Return (reason, detail) for an LVM physical volume in use, (None, None) for one that is left
    behind.
    """
    sr = sr_types.uuid_of_group(group.name) if group else None
    if sr not in graph.srs and _is_unclear(device, group, graph):
        return "LVM_PV", (
            "%s is an LVM physical volume%s, but LVM does not say of which volume group: it may be "
            "a copy of another disk's, half of a mirror, hidden by a filter, or spoilt. %s"
            % (
                sysfs.node(device),
                ", by its own metadata of the group %s" % group.name if group else "",
                _pv_advice(device, graph),
            )
        )
    if sr in graph.srs:
        return "SR_DEVICE", "%s carries the storage repository %s" % (
            sysfs.node(device),
            graph.srs[sr].name,
        )
    if group.uuid and any(uuid.startswith("LVM-" + group.uuid) for uuid in graph.dm_uuids.values()):
        return "LVM_PV", "%s belongs to the volume group %s, which has active volumes" % (
            sysfs.node(device),
            group.name,
        )
    return None, None


def _array_use(device, family, signature, graph):
    """Return (reason, detail) for a member of an array that exists or is configured; no detail
    where its use has been told.
    """
    if any(stack.is_array(member) for member in family[1:]):
        return "RAID_MEMBER", None
    for record in graph.arrays:
        if record.uuid and same_uuid(record.uuid, signature.uuid):
            members = [sysfs.name_of(member.device) for member in record.members if member.device]
            is_former = record.health not in Health.NOT_THERE and not set(members).intersection(
                _paths_of(device, graph)
            )
            return (
                "RAID_MEMBER",
                "it is a member of the array %s, which is in /etc/mdadm.conf or running%s"
                % (md_uuid(signature.uuid), FORMER % record.device if is_former else ""),
            )
    line = _line_of(device, signature, graph)
    if line is not None:
        return "RAID_MEMBER", "it is a member of the array %s, which line %d of %s knows" % (
            md_uuid(signature.uuid),
            line.number,
            line.path,
        )
    return None, None


def _line_of(device, signature, graph):
    """Return the ARRAY line that knows the array of a superblock, None if none does.

    Whatever host the name is of counts, and a superblock without a name (0.90) may be of any minor:
    what cannot be told apart is in use.
    """
    names = [
        name
        for path in _paths_of(device, graph)
        for name in [sysfs.node(path)] + graph.names.get(path, [])
    ]
    facts = conf.ArrayFacts(
        uuid=md_uuid(signature.uuid), name=signature.label or None, devices=tuple(names)
    )
    by_minor = [
        line
        for line in graph.lines
        if not signature.label and line.uuid is None and line.super_minor is not None
    ]
    return conf.line_of(facts, graph.lines, ANY_HOME) or next(iter(by_minor), None)


def _paths_of(device, graph):
    """Return the kernel names of a disk or partition by each path to the disk, its own first."""
    disk = next(
        (name for name, partitions in graph.partitions.items() if device in partitions), device
    )
    others = [path for path in graph.paths.get(disk, []) if path != disk]
    if disk == device:
        return [device] + others
    number = re.search(r"\d+\Z", device).group()
    same = [
        partition
        for path in others
        for partition in graph.partitions.get(path, [])
        if re.search(r"\d+\Z", partition).group() == number
    ]
    return [device] + same


def _limits(facts, graph, allow_4k, allow_removable):
    """Yield (reason, detail) for what a disk is, whoever uses it."""
    unreadable = [
        graph.unreadable[device]
        for device in [facts.name] + facts.partitions
        if device in graph.unreadable
    ]
    other_sectors = is_other_sector(facts.sector_bytes) and not allow_4k
    if facts.read_only:
        yield "READ_ONLY", "it is read-only"
    if facts.removable and facts.transport == "usb":
        yield "REMOVABLE", "it is a removable medium"
    elif facts.removable and not (allow_removable and facts.scsi_type != OPTICAL_TYPE):
        yield "REMOVABLE", MAY_BE_REMOVABLE
    if facts.scsi_type == OPTICAL_TYPE:
        yield "OPTICAL", "it is an optical drive"
    if facts.size_bytes < DISK_MIN_BYTES:
        yield (
            "TOO_SMALL",
            "%d bytes, at least %d are needed" % (facts.size_bytes, DISK_MIN_BYTES),
        )
    if other_sectors:
        yield "SECTOR_SIZE", OTHER_SECTORS % facts.sector_bytes
    if unreadable:
        yield "UNREADABLE", "what is on it cannot be found out: %s" % "; ".join(unreadable)


def is_other_sector(sector_bytes):
    """Return whether logical sectors are of another size than all takes; None is not known."""
    return sector_bytes not in (None, SECTOR_BYTES)


def in_words(refusals):
    """Return reasons as one clause for a sentence."""
    return "; ".join(refusal["detail"] for refusal in refusals)


def stale_in_words(stale):
    """Return what is left on a disk as one clause for a sentence."""
    phrases = []
    for item in stale:
        label = " '%s'" % item["label"] if item["label"] else ""
        place = (item["device"], item["offset_bytes"])
        phrases.append(item["type"] + label + " on %s (at byte %d)" % place)
    return ", ".join(phrases)
