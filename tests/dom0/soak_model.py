"""What the soak believes: arrays, disks and alerts, from what was done to them alone. Pure.

What the kernel shows must be what md may make of that: where it has a latitude, which outcomes
there are stands here, with the reason, and the kernel says which of them it was.
"""

import collections
import re

MEMBERS_MIN = {"0": 2, "1": 2, "5": 3, "6": 4, "10": 4}
# Alerts of one array before the soak makes no more of them: xsraid holds back those after the sixth
# in an hour (sense.HOURLY_MAX)
ALARMS_MAX = 4
SYNC_HEALTH = {"resync": "resyncing", "recover": "rebuilding", "check": "checking"}
# What list_arrays calls a state of a member, where that is another word.
SHOWN = {"filling": "rebuilding"}
CERTAIN, POSSIBLE, NONE = "certain", "possible", "none"
# What md does by itself: it fills a spare and is done with it, and gives it up for a moment when
# another member fails meanwhile.
BY_ITSELF = {("spare", "filling"), ("spare", "active"), ("filling", "active"), ("filling", "spare")}


class Wrong(AssertionError):
    """Something that was promised does not hold."""


class NotNow(Exception):
    """There is nothing at the moment that an operation could be done to."""


class Array:
    """uuid, node, name, level: as list_arrays has them, level without "raid"; disk_count: active
    members that it should have.

    roles: {disk: active, filling, spare or faulty}; targets: {disk that is being replaced: the one
    that is filled from it}; slots: as last seen.
    told: whether an alert stands that it is not whole (CERTAIN, POSSIBLE, NONE); alarms: alerts so
    far; spare_count: of its ARRAY line;
    sr: uuid; volume: endurance.Volume; is_written: somebody writes to it all the time.
    """

    def __init__(self, record, level, members, spares):
        self.uuid, self.node, self.name, self.level = (
            record["uuid"],
            record["device"],
            record["name"],
            level,
        )
        self.disk_count, self.spare_count = len(members), len(spares)
        self.roles = dict.fromkeys(members, "active")
        # mdadm(8): of a new RAID5 one member is built from the others, as a spare is.
        if level == "5":
            self.roles[members[-1]] = "filling"
        self.roles.update(dict.fromkeys(spares, "spare"))
        self.targets, self.slots, self.told, self.alarms = {}, {}, NONE, 0
        self.sr = self.volume = None
        self.is_written, self.action, self.state = False, "idle", "clean"

    def __str__(self):
        return f"{self.name} (raid{self.level} of {self.disk_count})"

    def having(self, *roles):
        """Return the disks of these roles."""
        return [disk for disk, role in self.roles.items() if role in roles]

    @property
    def lacking(self):
        """How many members are not in sync."""
        return self.disk_count - len(self.having("active"))

    @property
    def is_calm(self):
        return (
            not self.having("filling")
            and not self.targets
            and self.action == "idle"
            and not (self.lacking and self.having("spare"))
        )

    @property
    def is_whole(self):
        return self.is_calm and not self.lacking

    @property
    def left(self):
        """How many more failures it survives for certain, from the slots whose members are in sync
        (md(4)); below 0 it has failed.
        """
        alive = {slot for disk, slot in self.slots.items() if self.roles.get(disk) == "active"}
        if self.level == "10":  # two near copies
            pairs = [
                {place * 2 % self.disk_count, (place * 2 + 1) % self.disk_count}
                for place in range(self.disk_count)
            ]
            return min(len(pair & alive) for pair in pairs) - 1
        return {"0": 0, "1": self.disk_count - 1, "5": 1, "6": 2}[self.level] - (
            self.disk_count - len(alive)
        )

    @property
    def health(self):
        """What list_arrays must say of it."""
        if self.left < 0:
            return "failed"
        if self.action in SYNC_HEALTH and (not self.lacking or self.action == "recover"):
            return SYNC_HEALTH[self.action]
        if self.lacking:
            return "degraded"
        return "no_redundancy" if self.level == "0" else "optimal"

    def see(self, found, names):
        """Take over what the kernel shows of the array. found: of guest/soak_look.py; names:
        {device: disk}. Raises Wrong for what md may not do.
        """
        seen = {
            names.get(device, device): tuple(member) for device, member in found["members"].items()
        }
        for disk in sorted(set(seen) | set(self.roles)):
            old, new = self.roles.get(disk), seen.get(disk, (None, None))[1]
            is_done = (
                disk in self.targets
                and new == "faulty"
                and seen.get(self.targets[disk], (None, None))[1] == "active"
            )
            if old != new and (old, new) not in BY_ITSELF and not is_done:
                raise Wrong(f"{disk} is {new} in {self}, it should be {old}")
            self.roles[disk] = new
            if is_done:
                del self.targets[disk]
        if int(found["raid_disks"]) != self.disk_count or found["level"] != "raid" + self.level:
            raise Wrong(f"{self} has become {found}")
        self.slots = {disk: slot for disk, (slot, _) in seen.items() if slot is not None}
        self.action, self.state = found["sync_action"] or "idle", found["array_state"]
        if self.state == "read-auto" and self.action == "idle" and found["resync_start"].isdigit():
            self.action = "resync"  # it goes on with the first write

    def see_after_boot(self, found, names, latitude):
        """Take over what has become of the array over a boot. latitude: {disk: roles that it may
        have now, None for out}.
        """
        for disk, (_, role) in (
            (names.get(device, device), member) for device, member in found["members"].items()
        ):
            if role not in latitude.get(disk, ()):
                raise Wrong(
                    f"after the boot {disk} is {role} in {self}, that may be "
                    f"{latitude.get(disk, 'no member')}"
                )
            self.roles[disk] = role
        present = {names.get(device) for device in found["members"]}
        for disk in [disk for disk in latitude if disk not in present]:
            if None not in latitude[disk]:
                raise Wrong(f"after the boot {disk} is no member of {self} any more")
            self.roles.pop(disk, None)
        self.targets = {
            old: new
            for old, new in self.targets.items()
            if self.roles.get(old) == "active" and self.roles.get(new) == "filling"
        }
        self.see(found, names)

    def after_boot(self, formers, unrecorded):
        """Return {disk: roles that it may have after a boot}. formers: {disk: whether it may be
        taken for a member again}.

        A member that failed or left is in sync again if the array has not been written to since: md
        then has nothing but an event count that is higher by one, and takes that for the loss of
        the very last write of a superblock. Once it was written to, it is out, or a spare: the
        kernel believes the freshest superblock, and that says of it that it is none of the active
        ones; then it is filled if one is missing. A disk that
        was taken in again as a spare is no spare on record before the array was written to: it may
        be out again.
        """
        may = {
            disk: {
                "active": ("active",),
                "filling": ("filling", "active", "spare"),
                "spare": ("spare", "filling", "active"),
            }.get(role)
            for disk, role in self.roles.items()
        }
        may.update(
            (disk, (*may[disk], None)) for disk in unrecorded if self.roles.get(disk) == "spare"
        )
        for disk, may_return in formers.items():
            may[disk] = (
                (None, "spare", "filling", "active")
                if may_return or self.lacking
                else (None, "spare")
            )
        for old in self.targets:
            may[old] = ("active", "faulty", None)  # the new one may be filled before anybody looks
        return may

    def expected_members(self, serials):
        """Return what list_arrays must have of the members: {(serial, slot, state)}, a slot that
        nobody fills with serial None.
        """
        shown = {
            (serials[disk], self.slots.get(disk), SHOWN.get(role, role))
            for disk, role in self.roles.items()
        }
        filled = {slot for disk, slot in self.slots.items() if self.roles[disk] != "faulty"}
        return shown | {
            (None, slot, "missing") for slot in range(self.disk_count) if slot not in filled
        }


class Disk:
    """state: free, stale (a file system that nobody needs), member (of `uuid`), former (its
    superblock says that it is one of `uuid`), or kept.

    is_fresh: a former member to whose array nothing was written since; is_unrecorded: a member that
    was taken in again, to whose array nothing was written since; was_spare: it says of itself that
    it is a spare, which no event count can put out of date; is_pulled: it is not in the machine.
    """

    def __init__(self, state="free"):
        self.state, self.uuid, self.is_fresh, self.is_unrecorded, self.was_spare, self.is_pulled = (
            state,
            None,
            False,
            False,
            False,
            False,
        )

    def become(self, state, uuid=None, is_fresh=False):
        self.state, self.uuid, self.is_fresh = state, uuid, is_fresh
        self.is_unrecorded = self.is_unrecorded and state == "member"
        self.was_spare = self.was_spare and state == "former"

    def may_return(self):
        return self.is_fresh or self.was_spare


# keys: each (name, node, disk or None) that the alert may have; certainty: CERTAIN or POSSIBLE;
# is_mailed: whether there must be a mail of it, None for either.
Cause = collections.namedtuple("Cause", "uuid keys certainty is_mailed")


class Ledger:
    """Which alerts must have been raised, and which may have been."""

    def __init__(self):
        self.causes = []

    def add(self, array, *keys, certainty=CERTAIN, is_mailed=True):
        """Note that something has happened that is one alert. keys: (name of the alert, device or
        None).
        """
        self.causes.append(
            Cause(
                array.uuid,
                [(name, array.node, device) for name, device in keys],
                certainty,
                is_mailed,
            )
        )
        array.alarms += 1

    def waive_mails(self, uuid, mailed):
        """Let the alerts of an array that is deleted go without their mails where they have none
        yet. mailed: the Counter of mails' keys.
        """
        for at, cause in enumerate(self.causes):
            if cause.uuid == uuid and not any(mailed[key] for key in cause.keys):
                self.causes[at] = cause._replace(is_mailed=None)

    def match(self, told):
        """Return ({cause's number: key that was told for it}, keys told for which there is no
        cause, causes that must be told of and are not).
        """
        left, matched = collections.Counter(told), {}
        for wanted in (CERTAIN, POSSIBLE):
            for number, cause in enumerate(self.causes):
                key = next((key for key in cause.keys if left[key]), None)
                if cause.certainty == wanted and key:
                    matched[number] = key
                    left[key] -= 1
        missing = [
            cause
            for number, cause in enumerate(self.causes)
            if cause.certainty == CERTAIN and number not in matched
        ]
        return matched, list(left.elements()), missing

    def is_told(self, number, told):
        """Return whether the cause of a number is among what was told."""
        return number in self.match(told)[0]

    def unmailed(self, told, mailed):
        """Return (keys that were told and lack their mail, keys that were mailed and should not
        have been).
        """
        matched, _, _ = self.match(told)
        wanted = collections.Counter(
            key for number, key in matched.items() if self.causes[number].is_mailed
        )
        allowed = wanted + collections.Counter(
            key for number, key in matched.items() if self.causes[number].is_mailed is None
        )
        return list((wanted - mailed).elements()), list((mailed - allowed).elements())


def key_of_message(name, body):
    """Return (name, node, disk) of one of XAPI's messages."""
    disk = re.search(r"The disk (\S+) of array", body)
    return name, re.search(r"/dev/md\w+", body).group(), disk and disk.group(1)


def key_of_mail(subject):
    """Return (name, node, disk) of a mail."""
    name, disk, node = re.match(
        r"\[xsraid\] (\w+): (?:disk (\S+) failed|.*), (/dev/md\w+) on dom0$", subject
    ).groups()
    return name, node, disk


class Model:
    """arrays: [Array]; disks: {name: Disk}; ledger; is_mailing: the mail server accepts; is_told:
    XAPI takes messages; foreign: the other lines of mdadm.conf.
    """

    def __init__(self, disks, kept):
        self.arrays, self.ledger = [], Ledger()
        self.disks = {name: Disk("free") for name in disks}
        self.disks.update((name, Disk("kept")) for name in disks if name in kept)
        self.is_mailing, self.is_told, self.foreign = True, True, []

    def disks_that_are(self, *states):
        """Return the disks in the machine of these states, but not those that are kept."""
        return [
            name for name, disk in self.disks.items() if disk.state in states and not disk.is_pulled
        ]

    def pulled(self):
        return [name for name, disk in self.disks.items() if disk.is_pulled]

    def by_uuid(self, uuid):
        return next(array for array in self.arrays if array.uuid == uuid)

    def formers(self, array):
        """Return {disk: whether it may be taken for a member again} of the former members of an
        array.
        """
        return {
            name: disk.may_return()
            for name, disk in self.disks.items()
            if disk.state == "former" and disk.uuid == array.uuid
        }

    def out_of(self, array):
        """Return the same of all that have left the array or failed in it."""
        return dict(
            self.formers(array),
            **{disk: self.disks[disk].may_return() for disk in array.having("faulty")},
        )

    def unrecorded(self, array):
        return [name for name in array.roles if self.disks[name].is_unrecorded]

    def take(self, array):
        """Let the disks of an array's roles be its members, and those that have left it be former
        ones.
        """
        for name, disk in self.disks.items():
            if name in array.roles:
                disk.is_unrecorded = disk.is_unrecorded or (disk.state, disk.uuid) == (
                    "former",
                    array.uuid,
                )
                was_spare = disk.was_spare and array.roles[name] == "faulty"
                disk.become(
                    "member", array.uuid, is_fresh=disk.is_fresh and array.roles[name] == "faulty"
                )
                disk.was_spare = was_spare
            elif disk.state == "member" and disk.uuid == array.uuid:
                disk.become("former", array.uuid, is_fresh=True)

    def written(self, array):
        """Note that an array was written to: what is out of it is out of date from now on."""
        for disk in self.disks.values():
            if disk.uuid == array.uuid:
                disk.is_fresh = disk.is_unrecorded = False

    def expected_lines(self):
        """Return the lines of mdadm.conf that are arrays'."""
        lines = []
        for array in self.arrays:
            spares = f" spares={array.spare_count}" if array.spare_count else ""
            lines.append(f"ARRAY {array.node} UUID={array.uuid}{spares}")
        return sorted(lines)
