#!/usr/bin/env python3
"""Hosts made at random of what a host may have (worlds.py), and all functions called at random on
them: what must stay stays.

    make worlds MINUTES=60 SEED=7

Each round makes another host and some twenty calls, with every kind of name for disks and arrays,
with `wipe`, `reattach` and right confirmations; some are killed in the middle, and between them the
units of boots and hours run. After each of them whatever is held must be as it was, and no call
that would have written there may have succeeded. Prints a line for each; the same seed makes the
same choices. Ends with 0 only if nothing was wrong.
"""

import argparse
import collections
import json
import posixpath
import random
import time
import zlib

from tests.dom0.dom0 import Dom0
from tests.dom0.kinds import answers
from tests.dom0.soak_model import Wrong
from tests.dom0.soak_operations import BY_HAND, typed
from tests.dom0.worlds import THINGS, Builder

MIB = 1 << 20
PLAIN, TWINS = tuple(f"d{number}" for number in range(11)), ("a.twin", "b.twin")
DISKS, DISK_BYTES = PLAIN + TWINS, 48 * MIB
FREE = 3  # disks that are left blank, besides one of the twins
CALLS_MIN, CALLS_MAX = 16, 26
PLUGGING_S = 5  # its storage manager writes before XAPI says so
SETTINGS = "[boot]\nwait_s = 1\n"
UNITS = (
    "systemctl restart xsraid-assemble.service xsraid-attach.service",
    "systemctl start xsraid-care.service",
    "systemctl start xsraid-late.service",
)
# Disks: the test's names; array: what its argument of that name names.
Call = collections.namedtuple("Call", "function arguments disks array")


# What was wrong once: {name: (module by its path in the package, text of it now, text that is as
# wrong again)}.
FAULTS = {
    "two paths": (
        "disks/identity",
        "for disk in disks if identity is not None else []:",
        "for disk in []:",
    ),
    "a fresher disk": ("md/superblocks", "CONFLICTS = (NEWER, SPLIT)", "CONFLICTS = ()"),
    "a renamed array": (
        "xapi/srs",
        "return objects.sr_if_known(self.session, uuid) if uuid else None",
        "return None",
    ),
    "taking back": (
        "actions/rollback",
        "is_idle = not judged.uses and not judged.stale",
        "is_idle = True",
    ),
    "finishing a deletion": (
        "actions/rollback",
        "claim.refuse_array_in_use(host, session, record or md_state.find_array(host, uuid))",
        "pass",
    ),
    "lines without uuid": (
        "disks/refusals",
        "return conf.line_of(facts, graph.lines, ANY_HOME) or next(iter(by_minor), None)",
        "return None",
    ),
    "partitions of arrays": (
        "disks/refusals",
        "partitions = graph.partitions.get(name, [])",
        "partitions = []",
    ),
    "arrays of arrays": (
        "disks/refusals",
        "if signature.type == md_state.MEMBER_TYPE and not any(",
        "if False and not any(",
    ),
    "a repeated deletion": (
        "md/state",
        'if wanted.startswith("/") or re.match(NODE, wanted):',
        "if False:",
    ),
    "shared serials": (
        "disks/inventory",
        "fitting = [disk for disk in found if name in (disk.serial, disk.wwn)]",
        "fitting = [disk for disk in found if name in (disk.serial, disk.wwn)][:1]",
    ),
    "groups of other drivers": ("xapi/sr_types", 'GROUP = r"(.+)-(', 'GROUP = r"(VG_XenStorage)-('),
}


class Round:
    """One host."""

    def __init__(self, dom0, seed, say):
        self.dom0, self.chance, self.say = dom0, random.Random(seed), say
        self.things, self.held, self.groups, self.arrays = [], {}, {}, []
        self.devices, self.by_ids, self.serials, self.last = {}, {}, {}, "the round's beginning"

    def run(self):
        """Make the host, and calls; return how many."""
        self.dom0.reset()
        self.dom0.wait_until_xapi()
        self.dom0.run(f"printf '{SETTINGS}' >/etc/xsraid.conf; modprobe -a raid456")
        self.build()
        count = self.chance.randint(CALLS_MIN, CALLS_MAX)
        for _ in range(count):
            self.act()
        for unit in UNITS:
            self.start(unit)
            self.check()
        return count

    # the host

    def build(self):
        """Make things of most disks."""
        self.look()
        builder, disks = Builder(self.dom0, self.chance, self.devices), list(PLAIN)
        self.chance.shuffle(disks)
        names = sorted(name for name in THINGS if name != "twin_in_use")
        self.chance.shuffle(names)  # each at most once, so that few hosts show them all
        for name in names:
            count, make = THINGS[name]
            if len(disks) - count >= FREE:
                self.add(make(builder, *[disks.pop() for _ in range(count)]))
        if self.chance.random() < 0.7:
            self.add(THINGS["twin_in_use"][1](builder, TWINS[0]))
        self.dom0.run("udevadm settle; sync")
        self.look()
        self.held = {
            region: self.checksum(*region) for one in self.things for region in one.regions
        }
        # "" if LVM sees it twice, by two paths.
        self.groups = {group: self.group(group) for one in self.things for group in one.groups}

    def add(self, one):
        self.things.append(one)
        self.arrays += [(name, one) for name in one.arrays]
        self.say(f"      {one.name}: {' '.join(one.disks)} {' '.join(one.arrays)}")

    def look(self):
        disks = self.dom0.disks()
        self.devices = {name: disk.device for name, disk in disks.items()}
        self.by_ids = {name: disk.by_id for name, disk in disks.items()}
        self.serials = {name: disk.serial for name, disk in disks.items()}

    def checksum(self, disk, start, end):
        with open(f"{self.dom0.share}/{disk}.img", "rb") as image:
            image.seek(start)
            return zlib.crc32(image.read() if end is None else image.read(end - start))

    def group(self, name):
        """Return the uuid of a volume group, "" if it is not there."""
        return self.dom0.run(f"vgs --noheadings -o vg_uuid {name}", check=False).out.strip()

    # calls

    def act(self):
        """Do one thing, and see that everything is as it must be."""
        kind = self.chance.random()
        if kind < 0.12:
            self.start(self.chance.choice(UNITS))
        else:
            call = self.call()
            self.last = typed(call)
            if kind < 0.25:
                self.kill(call)
            else:
                self.judge(call, answers(self.dom0, [(call.function, call.arguments)])[0])
        self.say("    " + self.last)
        self.check()

    def start(self, unit):
        self.last = unit
        self.dom0.run(unit, check=False)

    def call(self):
        functions = (
            ["create_array"] * 5
            + ["create_sr"] * 3
            + ["delete_array"] * 4
            + ["add_disk"] * 3
            + ["grow_array", "adopt_array", "list_disks"]
        )
        function = self.chance.choice(functions)
        array = self.array()
        if function == "create_array":
            disks = self.some_disks(self.chance.choice([2, 2, 2, 3]))
            names = ",".join(map(self.name, disks))
            return Call(
                function,
                {"level": self.chance.choice(["1", "1", "0"]), "devices": names, "wipe": "true"},
                disks,
                None,
            )
        if function in ("add_disk", "grow_array"):
            disks = self.some_disks(1)
            word = "disk" if function == "add_disk" else "devices"
            return Call(
                function,
                {"array": array, word: ",".join(map(self.name, disks)), "wipe": "true"},
                disks,
                array,
            )
        if function == "delete_array":
            return Call(function, {"array": array, "confirm": self.confirmation(array)}, [], array)
        if function == "create_sr":
            return Call(
                function,
                dict(
                    {"array": array}, **{self.chance.choice(["wipe", "wipe", "reattach"]): "true"}
                ),
                [],
                array,
            )
        return Call(function, {} if function == "list_disks" else {"array": array}, [], array)

    def some_disks(self, count):
        """Return disks, of which most or all are to be had."""
        taken = [disk for one in self.things for disk in one.disks]
        free = [disk for disk in DISKS if disk not in taken]
        paths = [name for name in self.devices if name.endswith("+path")]
        wanted = []
        for _ in range(count):
            is_forbidden = self.chance.random() < 0.45 and taken
            wanted.append(self.chance.choice(taken + paths if is_forbidden else free))
        return list(dict.fromkeys(wanted))

    def name(self, disk):
        """Return one of the names of a disk: its node, that of a partition, a link, its serial
        number.
        """
        kinds = [
            self.devices[disk],
            self.devices[disk],
            self.by_ids[disk],
            self.serials[disk],
            self.devices[disk] + "1",
        ]
        return self.chance.choice([name for name in kinds if name])

    def array(self):
        """Return what a call may name as an array: of a thing, of one that a call has made, or just
        a name.
        """
        names = [name for name, _ in self.arrays] + ["md0", "md1", "/dev/md0", "/dev/md1", "md0"]
        return self.chance.choice(names)

    def confirmation(self, array):
        """Return what a person would confirm with: the name that list_arrays shows, by the node
        where that is what was named.
        """
        listed = answers(self.dom0, [("list_arrays", {})])[0]
        found = [
            record["name"]
            for record in listed["arrays"]
            if array in (record["device"], record["device"][5:], record["uuid"], record["name"])
        ]
        return self.chance.choice([*found, array.rpartition("/")[2]])

    def kill(self, call):
        delay_s = self.chance.uniform(0.15, 1)
        self.last += f", killed after {delay_s:.2f} s"
        self.dom0.run(
            f"timeout --signal=KILL {delay_s:.2f} {BY_HAND} {typed(call)} </dev/null >/dev/null "
            "2>&1; sleep 0.3",
            check=False,
        )

    def judge(self, call, reply):
        """Raise Wrong for a reply that should have been a refusal, or that no reply should be."""
        if isinstance(reply, list):
            self.last += f": {reply[0]}"
            if (
                reply[0] in ("XSRAID_INTERNAL", "INTERNAL_ERROR")
                or not reply[0].startswith("XSRAID")
                and "SR" not in reply[0]
            ):
                raise Wrong(f"it replied {reply}")
            return
        self.last += ": done"
        held = {disk: one for one in self.things for disk in one.disks}
        wanted = [disk.partition("+")[0] for disk in call.disks]
        if call.function in ("create_array", "add_disk", "grow_array") and any(
            disk in held for disk in wanted
        ):
            raise Wrong(
                f"a disk of {[held[disk].name for disk in wanted if disk in held]} was "
                f"taken: {reply}"
            )
        named = {
            word
            for word in self.words(call)
            if word in (self.serials["a.twin"], self.serials["b.twin"])
        }
        if named:
            raise Wrong(f"the serial number {named} is two disks'")
        uuids = set()
        for one in self.things:
            uuids.update(one.uuid if isinstance(one.uuid, tuple) else (one.uuid,))
        uuids.discard(None)
        if call.function == "delete_array" and reply["uuid"] in uuids:
            raise Wrong(f"an array that is in use was deleted: {reply}")
        if (
            call.function == "create_sr"
            and reply["created"]
            and any(uuid in reply["device"] for uuid in uuids)
        ):
            raise Wrong(f"an SR was made on an array that is in use: {reply}")

    def words(self, call):
        return [word for text in call.arguments.values() for word in text.split(",")]

    # what must hold

    def check(self):
        """Raise Wrong where something is gone."""
        self.dom0.run("sync")
        for one in self.things:
            gone = [region for region in one.regions if self.held[region] != self.checksum(*region)]
            if gone and not (one.groups and self.is_plugged(one)):
                told = [
                    self.dom0.run(command, check=False).out
                    for command in (
                        "xe pbd-list",
                        "journalctl -t xsraid -n 20",
                        "vgs; cat /proc/mounts",
                    )
                ]
                raise Wrong("\n".join([f"{one.name} {one.groups} was written to at {gone}", *told]))
            lost = [group for group in one.groups if self.group(group) != self.groups[group]]
            if lost:
                raise Wrong(f"{one.name} has lost {lost}")

    def is_plugged(self, one):
        """Return whether the SR of a thing is plugged: then its storage manager writes there, and
        what there is now stays.
        """
        for _ in range(PLUGGING_S):
            plugged = (
                self.dom0.xe("pbd-list currently-attached=true params=sr-uuid --minimal")
                .strip()
                .split(",")
            )
            if any(group[-36:] in plugged for group in one.groups):
                break
            time.sleep(1)
        else:
            return False
        self.held.update({region: self.checksum(*region) for region in one.regions})
        return True


def soak(dom0, minutes, seed, say=print):
    """Make rounds for so long; return {"rounds", "calls"}. Raises what was wrong, with the round's
    seed and lines.
    """
    counts, deadline = collections.Counter(), time.monotonic() + minutes * 60
    while counts["rounds"] == 0 or time.monotonic() < deadline:
        lines = []

        def tell(line, lines=lines):
            lines.append(line)
            say(line)

        tell(f"round {seed}")
        one = Round(dom0, seed, tell)
        try:
            counts["calls"] += one.run()
        except BaseException as error:
            error.add_note(
                "\n".join([f"seed {seed}:", *lines, "then: " + one.last, json.dumps(one.devices)])
            )
            raise
        counts["rounds"] += 1
        seed += 1
    return counts


def put_back(dom0, module, now, wrong):
    """Make the package in the guest as wrong as it was."""
    path = dom0.run(f"ls /usr/share/xsraid/*/xsraid/{module}.py").out.strip()
    source = dom0.run(["cat", path]).out
    if source.count(now) != 1:
        raise ValueError(f"{module}.py has no such text, or not once: {now}")
    dom0.run(
        f"cat >{path} && rm -rf {posixpath.dirname(path)}/__pycache__ {path}c",
        stdin=source.replace(now, wrong),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(31))
    parser.add_argument(
        "--python",
        default="system",
        choices=("2.7", "3.6", "system"),
        help="dom0's python (default: Debian's own)",
    )
    parser.add_argument(
        "--put-back",
        choices=sorted(FAULTS),
        help="a fault of earlier releases, to see that it is found",
    )
    options = parser.parse_args()
    say = lambda line: print(line, flush=True)  # noqa: E731
    with Dom0(options.python, disks=DISKS, disk_bytes=DISK_BYTES) as dom0:
        if options.put_back:
            put_back(dom0, *FAULTS[options.put_back])
        counts = soak(dom0, options.minutes, options.seed, say)
    say(
        f"seed {options.seed}: nothing was wrong with {counts['calls']} calls on "
        f"{counts['rounds']} hosts"
    )


if __name__ == "__main__":
    main()
