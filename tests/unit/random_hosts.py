"""Hosts drawn at random, and what the promises say of each: which of its disks and arrays are in
use.

Nothing of the judge is used here. A host is a tree of devices; how each one is used is known
because it was made so. It becomes a drawing for `graphs`, so that a failure shows the whole host.
"""

from tests import made
from tests.unit.graphs import SR_UUIDS, array_uuid

SR_GROUPS = ("VG_XenStorage-%s", "XSLocalEXT-%s", "XSLocalLargeBlock-%s", "OfSomeDriverToCome-%s")
# How a line of mdadm.conf may know the array `md%(digit)s`; %(uuid)s, %(node)s: of a member.
LINES = (
    "ARRAY /dev/md5 UUID=%(uuid)s\n",
    "ARRAY <ignore> UUID=%(uuid)s\n",
    "array  uuid=%(uuid)s\r\n",
    "ARRAY /dev/md5\n\n# a comment\n\tmetadata=1.2\n  UUID=%(uuid)s",
    "ARRAY /dev/md5 name=any:md%(digit)s\n",
    "ARRAY /dev/md5 devices=/dev/null,%(node)s\n",
    "ARRAY /dev/md5 metadata=1.2 NAME=any:md%(digit)s spares=1\n",
)
# Kinds of use, each of which alone keeps a device from being written to; and kinds of idle content.
USED = (
    "mounted",
    "boot",
    "swap",
    "sr_device",
    "crypt",
    "multipath",
    "loop",
    "cache",
    "pv_active",
    "pv_elsewhere",
    "pv_of_sr",
    "pv_unclear",
    "pv_copy",
    "member_running",
    "member_configured",
    "member_of_line",
    "unreadable",
    "held",
)
IDLE = ("blank", "blank", "blank", "file_system", "pv_idle", "pv_of_forgotten_sr", "member_foreign")
DIGITS = "0123456789abcdef"


class Device(object):
    """written: words for what is on it, to be seen by each path; uses: words for who uses it, seen
    by one path; built: devices on it that are no partitions; idle: type of what is on it and idle,
    None for nothing; is_used: whether it is in use by itself.
    """

    def __init__(self, name):
        self.name, self.written, self.uses, self.built, self.partitions = name, [], [], [], []
        self.idle, self.is_used, self.is_held, self.twin = None, False, False, None

    def all_used(self):
        """Return whether anybody uses it, its partitions or what is on them."""
        return self.is_used or any(part.all_used() for part in self.partitions)

    def contents(self):
        """Return the set of (type, node) of all that is idle on it and its partitions."""
        own = {(self.idle, "/dev/" + self.name)} if self.idle else set()
        return own.union(*[part.contents() for part in self.partitions])

    def partition_name(self, number):
        return "%s%s%d" % (self.name, "p" if self.name[-1].isdigit() else "", number)


class RandomHost(object):
    """disks, arrays: Devices; known_srs, array_records, configuration: as `graphs.graph` and
    mdadmconf take them; drawing: all of it as text.
    """

    def __init__(self, rng):
        self.rng, self.disks, self.arrays, self.array_records, self.configuration, self._count = (
            rng,
            [],
            [],
            [],
            "",
            0,
        )
        self.known_srs = ["data"]
        self._digits = list(DIGITS)
        rng.shuffle(self._digits)
        self.disks = [Device("sd" + letter) for letter in "abcdefgh"[: rng.randint(2, 6)]]
        waiting = list(self.disks)
        while waiting:
            self._fill(waiting.pop(rng.randrange(len(waiting))), waiting)
        for disk in list(self.disks):
            if rng.random() < 0.2:
                self._lead_second_path(disk)
        lines, seen = [], set()
        for disk in self.disks:
            self._draw(disk, 0, lines, seen)
        self.drawing = "\n".join(lines)

    def _fill(self, device, waiting):
        """Put something on a device; devices that come of it are put on the list of those that wait
        for content.
        """
        is_partition = (
            device.name.startswith("sd") and device.name[-1].isdigit() or "p" in device.name
        )
        if not is_partition and self.rng.random() < 0.3:
            self._partition(device, waiting)
            return
        kind = self.rng.choice(USED if self.rng.random() < 0.35 else IDLE)
        if kind == "member_running" and (not waiting or len(self.arrays) > 4):
            kind = "blank"
        getattr(self, "_" + kind)(device, waiting)

    def _partition(self, device, waiting):
        if device.name.startswith("sd") and self.rng.random() < 0.1:
            device.is_used = True  # by a table that nobody knows
        else:
            device.written.append("gpt")
            device.idle = "gpt"
        device.partitions = [
            Device(device.partition_name(number)) for number in range(1, self.rng.randint(1, 3) + 1)
        ]
        waiting += device.partitions

    def _next(self):
        self._count += 1
        return self._count

    def _use(self, device, *words):
        device.is_used = True
        device.uses += words

    def _build(self, device, name, words=""):
        device.is_used = True
        device.built.append("%s: %s" % (name, words))

    # idle

    def _blank(self, device, _waiting):
        pass

    def _file_system(self, device, _waiting):
        device.idle = self.rng.choice(["ext4", "xfs", "btrfs", "zfs_member", "ntfs"])
        device.written.append(device.idle + "=old")

    def _pv_idle(self, device, _waiting):
        device.idle = "LVM2_member"
        device.written.append("pv=idle%d" % self._next())

    def _pv_of_forgotten_sr(self, device, _waiting):
        device.idle = "LVM2_member"
        device.written.append("pv=" + self.rng.choice(SR_GROUPS) % SR_UUIDS["other"])

    def _member_foreign(self, device, _waiting):
        if self._digits:
            device.idle = "linux_raid_member"
            device.written.append("member=" + self._digits.pop())

    # in use

    def _mounted(self, device, _waiting):
        device.written.append("ext4")
        self._use(device, "mounted=/srv/%d" % self._next())

    def _boot(self, device, _waiting):
        device.written.append("ext4")
        self._use(device, "mounted=" + self.rng.choice(["/", "/boot", "/boot/efi"]))

    def _swap(self, device, _waiting):
        self._use(device, "swap")

    def _sr_device(self, device, _waiting):
        self._use(device, "sr=data")

    def _crypt(self, device, _waiting):
        self._build(device, "dm-%d" % self._next(), "dm=CRYPT-LUKS name=secret")

    def _multipath(self, device, _waiting):
        self._build(device, "dm-%d" % self._next(), "dm=mpath-1 name=mpatha")

    def _loop(self, device, _waiting):
        self._build(device, "loop%d" % self._next())

    def _cache(self, device, _waiting):
        self._build(device, "bcache%d" % self._next())

    def _pv_active(self, device, _waiting):
        number = self._next()
        device.written.append("pv=active%d" % number)
        self._build(
            device,
            "dm-%d" % number,
            "dm=LVM-uuid-of-active%dVOLUME name=active%d-volume" % (number, number),
        )

    def _pv_elsewhere(self, device, waiting):
        """The group has another physical volume as well, and all of its active volumes lie
        there.
        """
        group = "spread%d" % self._next()
        device.is_used = True
        device.written.append("pv=" + group)
        other = waiting.pop() if waiting else None
        if other is None:
            device.written[-1] = "pv"
            return
        other.written.append("pv=" + group)
        self._build(
            other, "dm-%d" % self._next(), "dm=LVM-uuid-of-%sVOLUME name=%s-volume" % (group, group)
        )

    def _pv_of_sr(self, device, _waiting):
        device.is_used = True
        device.written.append("pv=" + self.rng.choice(SR_GROUPS) % SR_UUIDS["data"])

    def _pv_unclear(self, device, _waiting):
        device.is_used = True
        device.written.append("pv")

    def _pv_copy(self, device, _waiting):
        device.is_used = True
        device.written.append("copy=copied%d" % self._next())

    def _member_running(self, device, waiting):
        digit = self._digits.pop() if self._digits else None
        if digit is None:
            return
        array = Device("md%d" % self._next())
        self.arrays.append(array)
        others = [
            waiting.pop(self.rng.randrange(len(waiting)))
            for _ in range(min(len(waiting), self.rng.randint(1, 2)))
        ]
        for member in [device] + others:
            member.is_used = True
            member.written.append("member=" + digit)
            member.built.append(array)
        is_configured = self.rng.random() < 0.5
        self.array_records.append(
            made.array(
                device="/dev/" + array.name,
                uuid=array_uuid(digit),
                health="optimal",
                configured=is_configured,
            )
        )
        waiting.append(array)

    def _member_configured(self, device, _waiting):
        if self._digits:
            digit = self._digits.pop()
            device.is_used = True
            device.written.append("member=" + digit)
            node = "/dev/md%d" % (100 + self._next())
            self.array_records.append(
                made.array(device=node, uuid=array_uuid(digit), health="missing", configured=True)
            )

    def _member_of_line(self, device, _waiting):
        if self._digits:
            digit = self._digits.pop()
            device.is_used = True
            device.written.append("member=" + digit)
            line = self.rng.choice(LINES) % {
                "uuid": array_uuid(digit),
                "digit": digit,
                "node": "/dev/" + device.name,
            }
            self.configuration = (
                self.configuration.rstrip("\r\n") + ("\n" if self.configuration else "") + line
            )

    def _unreadable(self, device, _waiting):
        device.is_used = True
        device.written.append("unreadable")

    def _held(self, device, _waiting):
        device.is_used = device.is_held = True

    # paths and drawing

    def _lead_second_path(self, disk):
        """What is written on a disk is seen by both paths, who uses it by the one that he has
        opened.
        """
        twin = Device(disk.name + "x")
        self.disks.append(twin)
        for one, other in [(disk, twin)] + [
            (part, Device(twin.partition_name(at))) for at, part in enumerate(disk.partitions, 1)
        ]:
            other.written, other.idle = list(one.written), one.idle
            if one is not disk:
                twin.partitions.append(other)
            if self.rng.random() < 0.5:
                one.uses, other.uses = other.uses, one.uses
                one.built, other.built = other.built, one.built
                one.is_held, other.is_held = other.is_held, one.is_held
        disk.twin, twin.twin = twin, disk
        twin.is_used = disk.is_used
        for part, other in zip(disk.partitions, twin.partitions):
            other.is_used = part.is_used

    def _draw(self, device, depth, lines, seen):
        words = [] if device.name in seen else device.written + device.uses
        if device.twin and device.name not in seen:
            words = words + ["path=" + device.twin.name]
        seen.add(device.name)
        lines.append("%s%s: %s" % ("  " * depth, device.name, " ".join(words)))
        for part in device.partitions:
            self._draw(part, depth + 1, lines, seen)
        for built in device.built:
            if isinstance(built, Device):
                self._draw(built, depth + 1, lines, seen)
            else:
                lines.append("%s%s" % ("  " * (depth + 1), built))

    # what the promises say

    def held(self, device):
        """Return {kernel name: sentence} of a device, its other path and their partitions that
        somebody has opened exclusively.
        """
        paths = [device] + ([device.twin] if device.twin else [])
        return {
            each.name: "held" for path in paths for each in [path] + path.partitions if each.is_held
        }

    def array_is_used(self, array):
        """Return whether an array must not be given up: anybody uses it, or there is anything on
        one of its partitions, which nobody has named.
        """
        return array.all_used() or any(part.contents() for part in array.partitions)
