"""Whether a disk may be used, and if not, every reason why: pure, from a Snapshot of what the host knows and from nothing else.

What cannot be found out counts as a reason.
"""

from __future__ import absolute_import

import collections
import re

from xsraid import lvm, md, mdadm, sysfs
from xsraid.probe import PARTITION_TABLES

DISK_MIN_BYTES = 16 << 20  # less holds no superblock, bitmap and data worth the name
SECTOR_BYTES = 512  # what lvm and ext SRs can make disks of VMs on
BOOT_MOUNTS = ("/", "/boot", "/boot/efi")
OPTICAL_TYPE = "5"  # SCSI peripheral device type, sysfs device/type
SR_GROUP = r"(?:VG_XenStorage|XSLocalEXT)-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\Z"  # how LVMSR and EXTSR name theirs

# In the order in which they are told: the first is the reason that a refusal names.
REASONS = ("BOOT_DISK", "MOUNTED", "SWAP", "RAID_MEMBER", "MULTIPATH", "DEVICE_MAPPER", "LVM_PV", "SR_DEVICE", "PARTITIONS", "HELD", "READ_ONLY",
           "REMOVABLE", "OPTICAL", "TOO_SMALL", "SECTOR_SIZE", "UNREADABLE")

# Names are kernel names. numbers: {"sda1": "8:1"}; above: {"sda": ["sda1", "md0"]}, the partitions of each device and what is built on it;
# mounts: {"8:1": ["/boot"]}; swaps: set of "8:2"; dm_uuids: {"dm-0": "LVM-..."}; arrays: md's records of arrays that exist or are configured;
# sr_devices: {"8:16": "SR name"}; srs: {uuid: name} of all that XAPI knows; contents: {"sda": [probe.Signature]};
# unreadable: {"sdb": why}; groups: {"8:17": lvm.Group} of LVM's physical volumes.
Snapshot = collections.namedtuple("Snapshot", "numbers above mounts swaps dm_uuids arrays sr_devices srs contents unreadable groups")
# held: {kernel name: sentence} of the disk and its partitions.
DiskFacts = collections.namedtuple("DiskFacts", "name size_bytes sector_bytes read_only removable scsi_type partitions held")


def decide(facts, snapshot, allow_4k=False):
    """Return (refusals, stale) of one disk.

    refusals: all reasons [{"reason", "detail"}] why it may not be used; stale: what is left on it from an earlier life
    [{"type", "offset_bytes", "device", "label"}], given when there is no refusal.
    """
    reasons, stale, busy = {}, [], []
    for device in [facts.name] + facts.partitions:
        family = [member for member in family_of(device, snapshot.above) if member not in facts.partitions or member == device]
        found = dict(_uses(device, family, snapshot))
        stale += _content(device, family, snapshot, found)
        if found and device != facts.name:
            busy.append("its partition %s is in use" % sysfs.node(device))
        for word, details in found.items():
            known = reasons.setdefault(word, [])
            known += [detail for detail in details if detail not in known]
    if not busy and facts.partitions and not any(item["type"] in PARTITION_TABLES for item in stale):
        busy.append("it has partitions (%s) by a table that wipefs does not know: clear it by hand if nobody needs it"
                    % " ".join(sysfs.node(device) for device in facts.partitions))
    reasons.update((word, details) for word, details in [("PARTITIONS", busy)] + _limits(facts, snapshot, allow_4k) if details)
    if facts.held and not reasons:
        reasons["HELD"] = ["%s: %s" % (sysfs.node(device), facts.held[device]) for device in sorted(facts.held)]
        held_partitions = ["its partition %s is in use" % sysfs.node(device) for device in facts.partitions if device in facts.held]
        reasons.update({"PARTITIONS": held_partitions} if held_partitions else {})
    refusals = [collections.OrderedDict([("reason", word), ("detail", "; ".join(reasons[word]))]) for word in REASONS if word in reasons]
    return refusals, [] if refusals else stale


def _uses(device, family, snapshot):
    """Yield (reason, details) for what uses a disk or partition at this moment: itself, or something that is built on it."""
    numbers = [(member, snapshot.numbers.get(member)) for member in family]
    mounted = [(sysfs.node(member), place) for member, number in numbers for place in snapshot.mounts.get(number, [])]
    above = family[1:]
    multipath = [member for member in above if snapshot.dm_uuids.get(member, "").startswith("mpath-")]
    mapped = [member for member in above if member in snapshot.dm_uuids and member not in multipath]
    arrays = [member for member in above if member.startswith("md")]
    others = [member for member in above if member not in multipath + mapped + arrays]
    for word, details in (
            ("BOOT_DISK", ["%s on %s" % mount for mount in mounted if mount[1] in BOOT_MOUNTS]),
            ("MOUNTED", ["%s on %s" % mount for mount in mounted]),
            ("SWAP", ["%s is swap space" % sysfs.node(member) for member, number in numbers if number in snapshot.swaps]),
            ("RAID_MEMBER", [_member_of(member, snapshot) for member in arrays]),
            ("MULTIPATH", ["it is a path of %s" % sysfs.node(member) for member in multipath]),
            ("DEVICE_MAPPER", ["%s (%s) is built on it" % (sysfs.node(member), snapshot.dm_uuids[member] or "device-mapper") for member in mapped]),
            ("SR_DEVICE", ["%s is a device of the storage repository %s" % (sysfs.node(member), snapshot.sr_devices[number])
                           for member, number in numbers if number in snapshot.sr_devices]),
            ("HELD", ["%s holds it" % sysfs.node(member) for member in others])):
        if details:
            yield word, details


def _member_of(name, snapshot):
    record = next((record for record in snapshot.arrays if record["device"] == sysfs.node(name)), None)
    if record and record["health"] == "inactive" and not record["configured"]:
        return ("it is a member of %s, which is not running and not in /etc/mdadm.conf (if nobody needs it, `mdadm --stop %s`; its superblocks "
                "are then stale data)" % (sysfs.node(name), sysfs.node(name)))
    return "it is a member of the array %s" % sysfs.node(name)


def _content(device, family, snapshot, found):
    """Return what is left on a disk or partition from an earlier life; what is there and in use goes into `found` {reason: details}."""
    stale = []
    for signature in snapshot.contents.get(device, []):
        label, word, detail = signature.label, None, None
        if signature.type == lvm.LABEL:
            group = snapshot.groups.get(snapshot.numbers.get(device))
            label = group.name if group else label
            word, detail = _group_use(device, group, snapshot)
        elif signature.type == md.MEMBER_TYPE:
            word, detail = _array_use(device, family, signature, snapshot)
        if word is None:
            stale.append(collections.OrderedDict([
                ("type", signature.type), ("offset_bytes", signature.offset_bytes), ("device", sysfs.node(device)), ("label", label)]))
        elif detail:
            found.setdefault(word, []).append(detail)
    return stale


def _group_use(device, group, snapshot):
    """Return (reason, detail) for an LVM physical volume in use, (None, None) for one that is left behind."""
    if group is None:
        return "LVM_PV", "%s is an LVM physical volume, but LVM does not say of which volume group" % sysfs.node(device)
    sr = re.match(SR_GROUP, group.name)
    if sr and sr.group(1) in snapshot.srs:
        return "SR_DEVICE", "%s carries the storage repository %s" % (sysfs.node(device), snapshot.srs[sr.group(1)])
    if group.uuid and any(uuid.startswith("LVM-" + group.uuid) for uuid in snapshot.dm_uuids.values()):
        return "LVM_PV", "%s belongs to the volume group %s, which has active volumes" % (sysfs.node(device), group.name)
    return None, None


def _array_use(device, family, signature, snapshot):
    """Return (reason, detail) for a member of an array that exists or is configured; no detail where its use has been told."""
    if any(record["uuid"] and mdadm.same_uuid(record["uuid"], signature.uuid) for record in snapshot.arrays):
        is_told = any(member.startswith("md") for member in family)
        told = "it is a member of the array %s, which is in /etc/mdadm.conf or running" % mdadm.md_uuid(signature.uuid)
        return "RAID_MEMBER", None if is_told else told
    return None, None


def _limits(facts, snapshot, allow_4k):
    """Return [(reason, details)] for what a disk is, whoever uses it; no details where it is all right."""
    unreadable = [snapshot.unreadable[device] for device in [facts.name] + facts.partitions if device in snapshot.unreadable]
    other_sectors = facts.sector_bytes not in (None, SECTOR_BYTES) and not allow_4k
    return [
        ("READ_ONLY", ["it is read-only"] if facts.read_only else []),
        ("REMOVABLE", ["it is a removable medium"] if facts.removable else []),
        ("OPTICAL", ["it is an optical drive"] if facts.scsi_type == OPTICAL_TYPE else []),
        ("TOO_SMALL", ["%d bytes, at least %d are needed" % (facts.size_bytes, DISK_MIN_BYTES)] if facts.size_bytes < DISK_MIN_BYTES else []),
        ("SECTOR_SIZE", ["its logical sectors have %d bytes, on which storage repositories of type lvm and ext make no disks for VMs "
                         "(SR_BACKEND_FAILURE_78); allow_4k=true takes it for other uses" % facts.sector_bytes] if other_sectors else []),
        ("UNREADABLE", ["what is on it cannot be found out: %s" % "; ".join(unreadable)] if unreadable else []),
    ]


def in_words(refusals):
    """Return reasons as one clause for a sentence."""
    return "; ".join(refusal["detail"] for refusal in refusals)


def stale_in_words(stale):
    """Return what is left on a disk as one clause for a sentence."""
    named = [(item["type"], " '%s'" % item["label"] if item["label"] else "", item["device"], item["offset_bytes"]) for item in stale]
    return ", ".join("%s%s on %s (at byte %d)" % each for each in named)


def family_of(name, above):
    """Return a device, its partitions and all that is built on them, each once."""
    family, waiting = [], [name]
    while waiting:
        device = waiting.pop(0)
        if device not in family:
            family.append(device)
            waiting += above.get(device, [])
    return family
