"""Whether a disk may be used, and if not, every reason why.

`decide` is pure: it looks at a Snapshot of what the host knows and at nothing else. Anything that cannot be found out counts as a reason.
"""

from __future__ import absolute_import

import collections
import errno
import os
import re

from xsraid import md, mdadm, sysfs, xapi
from xsraid.commands import run
from xsraid.errors import CommandFailed, Timeout

DISK_MIN_BYTES = 16 << 20  # less holds no superblock, bitmap and data worth the name
PROBE_TIMEOUT_S = 30
BOOT_MOUNTS = ("/", "/boot", "/boot/efi")
OPTICAL_TYPE = "5"  # SCSI peripheral device type, sysfs device/type

# Names are kernel names. numbers: {"sda1": "8:1"}; above: {"sda": ["sda1", "md0"]}, the partitions and holders of each device;
# mounts: {"8:1": ["/boot"]}; swaps: set of "8:2"; dm_uuids: {"dm-0": "LVM-..."}; md_uuids: those of arrays that run or are configured;
# sr_devices: {"8:16": "SR name"}.
Snapshot = collections.namedtuple("Snapshot", "numbers above mounts swaps dm_uuids md_uuids sr_devices")
# signatures: of `signatures_on`; unreadable, held: sentences, None where there is nothing to say.
DiskFacts = collections.namedtuple("DiskFacts", "name size_bytes read_only removable scsi_type partitions signatures unreadable held")


def judge(host, session, disks):
    """Fill in `usable`, `refusals` and `stale` of disk records."""
    snapshot = take_snapshot(host, xapi.local_pbds(host, session), session)
    all_blank = _are_blank(host, [disk["device"] for disk in disks])
    for disk in disks:
        disk["refusals"], disk["stale"] = decide(_facts(host, disk["device"], all_blank), snapshot)
        disk["usable"] = not disk["refusals"]


def decide(facts, snapshot):
    """Return (refusals, stale) of one disk: all reasons [{"reason", "detail"}], and what is left on it from earlier [{"type", "offset_bytes"}]."""
    reasons = []
    family = family_of(facts.name, snapshot.above)
    mounted = [(device, place) for device in family for place in snapshot.mounts.get(snapshot.numbers.get(device), [])]
    _add(reasons, "BOOT_DISK", [_on(device, place) for device, place in mounted if place in BOOT_MOUNTS])
    _add(reasons, "MOUNTED", [_on(device, place) for device, place in mounted])
    _add(reasons, "SWAP", ["%s is swap space" % sysfs.node(device) for device in family if snapshot.numbers.get(device) in snapshot.swaps])
    _add(reasons, "PARTITIONS", [_partitions(facts)] if facts.partitions else [])
    above = [device for device in family if device != facts.name and device not in facts.partitions]
    _add(reasons, "RAID_MEMBER", ["it is a member of the running array %s" % sysfs.node(device) for device in above if device.startswith("md")])
    multipath = [device for device in above if snapshot.dm_uuids.get(device, "").startswith("mpath-")]
    _add(reasons, "MULTIPATH", ["it is a path of %s" % sysfs.node(device) for device in multipath])
    _add(reasons, "DEVICE_MAPPER", ["%s (%s) is built on it" % (sysfs.node(device), snapshot.dm_uuids[device] or "device-mapper")
                                    for device in above if device in snapshot.dm_uuids and device not in multipath])
    _add(reasons, "SR_DEVICE", ["%s is a device of the storage repository %s" % (sysfs.node(device), snapshot.sr_devices[snapshot.numbers[device]])
                                for device in family if snapshot.numbers.get(device) in snapshot.sr_devices])
    known = [device for device in above if not device.startswith(("md", "dm-"))]
    _add(reasons, "HELD", ["%s holds it" % sysfs.node(device) for device in known])
    stale = _judge_signatures(facts, snapshot, reasons)
    _add(reasons, "READ_ONLY", ["it is read-only"] if facts.read_only else [])
    _add(reasons, "REMOVABLE", ["it is a removable medium"] if facts.removable else [])
    _add(reasons, "OPTICAL", ["it is an optical drive"] if facts.scsi_type == OPTICAL_TYPE else [])
    _add(reasons, "TOO_SMALL", ["%d bytes, at least %d are needed" % (facts.size_bytes, DISK_MIN_BYTES)] if facts.size_bytes < DISK_MIN_BYTES else [])
    _add(reasons, "UNREADABLE", ["what is on it cannot be found out: %s" % facts.unreadable] if facts.unreadable else [])
    if facts.held and not reasons:
        _add(reasons, "HELD", [facts.held])
    return reasons, [] if reasons else stale


def in_words(refusals):
    """Return reasons as one clause for a sentence."""
    return "; ".join(refusal["detail"] for refusal in refusals)


def _judge_signatures(facts, snapshot, reasons):
    stale = []
    for kind, offset_bytes, label in facts.signatures:
        if kind == "LVM2_member":
            group = " of the volume group " + label if label else ""
            _add(reasons, "LVM_PV", ["it is an LVM physical volume%s (if nobody needs it, free it with vgremove and pvremove)" % group])
        elif kind == "linux_raid_member" and mdadm.bare_uuid(label) in snapshot.md_uuids:
            if not any(reason["reason"] == "RAID_MEMBER" for reason in reasons):
                _add(reasons, "RAID_MEMBER", ["it is a member of the array %s, which is in /etc/mdadm.conf or running" % mdadm.md_uuid(label)])
        else:
            stale.append(collections.OrderedDict([("type", kind), ("offset_bytes", offset_bytes)]))
    return stale


def _partitions(facts):
    nodes = " ".join(sysfs.node(name) for name in facts.partitions)
    return "it has partitions: %s (if nobody needs them, free it with `wipefs -a %s %s`)" % (nodes, nodes, sysfs.node(facts.name))


def _add(reasons, word, details):
    if details:
        reasons.append(collections.OrderedDict([("reason", word), ("detail", "; ".join(details))]))


def _on(device, place):
    return "%s on %s" % (sysfs.node(device), place)


def family_of(name, above):
    """Return a device, its partitions and all that is built on them, each once."""
    family, waiting = [], [name]
    while waiting:
        device = waiting.pop(0)
        if device not in family:
            family.append(device)
            waiting += above.get(device, [])
    return family


def users_of(host, device):
    """Return what uses a device or what is built on it: (mount points, swap devices, devices built on it, its own partitions left out)."""
    name = sysfs.name_of(device)
    snapshot = take_snapshot(host)
    family = family_of(name, snapshot.above)
    mounts = [place for member in family for place in snapshot.mounts.get(snapshot.numbers.get(member), [])]
    swaps = [sysfs.node(member) for member in family if snapshot.numbers.get(member) in snapshot.swaps]
    own = [name] + sysfs.partitions(host, name)
    return mounts, swaps, [sysfs.node(member) for member in family if member not in own]


def take_snapshot(host, pbds=(), session=None):
    """Return the Snapshot of this host. pbds: records of this host's PBDs, whose SRs are asked of the session. Raises what XAPI raises."""
    numbers, above, dm_uuids = {}, {}, {}
    for name in sysfs.block_devices(host):
        partitions = sysfs.partitions(host, name)
        numbers[name] = sysfs.attribute(host, name, "dev")
        above[name] = partitions + sysfs.holders(host, name)
        for partition in partitions:
            numbers[partition] = sysfs.attribute(host, name, partition + "/dev")
            above[partition] = sysfs.holders(host, name, partition)
        dm_uuid = sysfs.attribute(host, name, "dm/uuid")
        if dm_uuid is not None:
            dm_uuids[name] = dm_uuid
    uuids = {mdadm.bare_uuid(record["uuid"]) for record in md.read_arrays(host) if record["uuid"]}
    return Snapshot(numbers, above, _mounts(host), _swaps(host), dm_uuids, uuids, _sr_devices(host, pbds, session))


def _are_blank(host, devices):
    """Return whether wipefs finds nothing on any of them. When it does find something it does not say where, and each has to be asked."""
    try:
        return not run(host, ["wipefs", "-n", "-p"] + devices, PROBE_TIMEOUT_S).out.strip()
    except (CommandFailed, Timeout):
        return False


def _facts(host, device, is_blank):
    name = sysfs.name_of(device)
    scsi_type = sysfs.attribute(host, name, "device/type")
    signatures, unreadable = ([], None) if is_blank or scsi_type == OPTICAL_TYPE else signatures_on(host, device)
    return DiskFacts(
        name=name, size_bytes=sysfs.size_bytes(host, name), read_only=sysfs.number(host, name, "ro") == 1,
        removable=sysfs.number(host, name, "removable") == 1, scsi_type=scsi_type,
        partitions=sysfs.partitions(host, name), signatures=signatures, unreadable=unreadable,
        held=None if scsi_type == OPTICAL_TYPE else _holder(host, device))


def signatures_on(host, device):
    """Return ([(type, offset_bytes, label)], None) of what libblkid knows on a device, or ([], why it could not be read).

    label: the uuid of an array for a linux_raid_member, the volume group of an LVM2_member ("" if it has none), else the label of a file system.
    `wipefs -n -p` prints a line for each: offset, uuid, label, type, special characters as \\xNN (wipefs(8)).
    """
    try:
        out = run(host, ["wipefs", "-n", "-p", device], PROBE_TIMEOUT_S).out
        lines = [line.split(",") for line in out.splitlines() if line and not line.startswith("#")]
        return [(kind, int(offset, 16), _meaning(host, device, kind, uuid, label)) for offset, uuid, label, kind in lines], None
    except (CommandFailed, Timeout) as error:
        return [], error.sentence
    except ValueError:
        return [], "wipefs -n -p %s says %r" % (device, out)


def _meaning(host, device, kind, uuid, label):
    if kind == "linux_raid_member":
        return uuid
    if kind == "LVM2_member":
        return run(host, ["pvs", "--noheadings", "-o", "vg_name", device], PROBE_TIMEOUT_S).out.strip()
    return re.sub(r"\\x([0-7][0-9a-f])", lambda match: chr(int(match.group(1), 16)), label)


def _holder(host, device):
    """Return a sentence when somebody holds the device exclusively, None when nobody does. Opening to read changes nothing and wakes nobody."""
    try:
        os.close(os.open(host.path(device), os.O_RDONLY | os.O_EXCL))
    except EnvironmentError as error:
        if error.errno == errno.EBUSY:
            return "another program holds it open exclusively"
        return "it cannot be opened: %s" % os.strerror(error.errno)
    return None


def _mounts(host):
    """Return {"major:minor": [mount points]} from mountinfo (proc(5)), whose third field it is and whose fifth is the mount point."""
    mounts = {}
    for line in host.read("/proc/self/mountinfo").splitlines():
        fields = line.split(" ")
        mounts.setdefault(fields[2], []).append(fields[4])
        source = fields[fields.index("-") + 2]
        number = host.device_number(source) if source.startswith("/") else None  # btrfs counts its own device numbers
        if number not in (None, fields[2]):
            mounts.setdefault(number, []).append(fields[4])
    return mounts


def _swaps(host):
    lines = host.read("/proc/swaps").splitlines()[1:]
    return {number for number in (host.device_number(line.split()[0]) for line in lines) if number}


def _sr_devices(host, pbds, session):
    """Return {"major:minor": SR name} of the devices that PBDs name, plugged or not."""
    devices = {}
    for pbd in pbds:
        for path in pbd["device_config"].get("device", "").split(","):
            number = host.device_number(path) if path.startswith("/") else None
            if number:
                devices[number] = xapi.sr_summary(session, pbd["SR"])["name_label"]
    return devices
