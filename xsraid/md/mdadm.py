"""All of mdadm: each command line that is run of it, and what is read from what it prints. `conf`
has its configuration, `names` its names.

Each raises CommandFailed and Timeout, but for what says otherwise.
"""

from __future__ import absolute_import

import collections
import re
import sys
import tempfile
import time

from xsraid.errors import CommandFailed
from xsraid.host.process import folder_in_memory, run
from xsraid.md.levels import LEVELS
from xsraid.text import md_uuid, same_uuid

EXAMINE_LIMIT_S = 30  # a disk that takes longer for its superblock is as good as dead
UPDATED = "%a %b %d %H:%M:%S %Y"  # how mdadm shows a time, as ctime(3) does
NO_SUPERBLOCK = "No md superblock detected"
CREATED = r"^ *Creation Time : (.*?) *$"
UNUSED = r"Unused Space : before=(\d+) sectors"  # from 3.3 on
DETACHED = "detached"  # mdadm's word for members whose nodes have gone
# events: the count; updated: when it was last written, as text; slot: None if it holds no data
# (a spare, a journal, what is being filled); active: the slots that had a member in sync, None
# where it does not say.
Superblock = collections.namedtuple("Superblock", "device uuid events updated slot active")
# What `--examine --export` and `--detail --export` say. was_read: whether the device could be read;
# uuid: in mdadm's form, None if there is no superblock; events: the count in it, one too high
# for any superblock where it is not told.
Export = collections.namedtuple("Export", "was_read uuid events")


def _manage(host, node, words, may_fail=False):
    return run(host, ["mdadm", "--manage", node] + words, accept=None if may_fail else (0,))


# -- arrays ----------------------------------------------------------------------------------------


def create_command(
    node,
    level,
    uuid,
    name,
    members,
    spares=(),
    chunk_bytes=None,
    bitmap="internal",
    policy=None,
    journal=None,
):
    """Return the argument list that creates an array.

    level: a key of LEVELS; chunk_bytes: None leaves it to mdadm; bitmap: internal or none; policy:
    ppl, or None for what bitmap and journal make it;
    journal: a device.
    """
    rule = LEVELS[level]
    argv = [
        "mdadm",
        "--create",
        node,
        "--run",
        "--metadata=1.2",
        "--level=%d" % rule.number,
        "--raid-devices=%d" % len(members),
    ]
    if spares:
        argv.append("--spare-devices=%d" % len(spares))
    if chunk_bytes is not None:
        argv.append("--chunk=%dK" % (chunk_bytes // 1024))
    if policy == "ppl":
        argv.append("--consistency-policy=ppl")
    elif journal is not None:
        argv.append("--write-journal=%s" % journal)
    elif rule.redundant:
        argv.append("--bitmap=%s" % bitmap)
    argv += ["--uuid=%s" % uuid, "--name=%s" % name, "--homehost=any"]
    return argv + list(members) + list(spares)


def assemble(host, node, uuid, options, devices=None):
    """Assemble one array as a configuration with its line alone tells; return what mdadm said,
    whether or not it failed.

    node: None leaves it to mdadm; options: such as --run; devices: to look at, None for all. Only
    so does mdadm know `--no-degraded`: with a node on the command line it starts an array without a
    member as soon as it can run (mdadm(8)).
    """
    with _configuration() as configuration:
        if devices:
            configuration.write("DEVICE %s\n" % " ".join(devices))
        configuration.write("ARRAY %sUUID=%s\n" % (node + " " if node else "", md_uuid(uuid)))
        configuration.flush()
        return run(
            host,
            ["mdadm", "--assemble", "--scan", "--config=" + configuration.name] + options,
            accept=None,
        ).err


def assemble_configured(host, node):
    """Assemble the array to which /etc/mdadm.conf gives a node; return what mdadm said, whether or
    not it failed.
    """
    return run(host, ["mdadm", "--assemble", node], accept=None).err


def start(host, node):
    """Start an array that waits for members; return what mdadm said, whether or not it failed."""
    return run(host, ["mdadm", "--run", node], accept=None).err


def stop(host, node, may_fail=False):
    """Stop an array."""
    run(host, ["mdadm", "--stop", node], accept=None if may_fail else (0,))


def make_read_only(host, node):
    """Make an array read-only. The kernel refuses that while anybody has it open, and one of today
    while anything is under way on it.
    """
    run(host, ["mdadm", "--readonly", node])


def make_writable(host, node, may_fail=False):
    """Make an array writable; what waits for the first write begins."""
    run(host, ["mdadm", "--readwrite", node], accept=None if may_fail else (0,))


def grow(host, node, member_count):
    """Begin to reshape an array to so many members."""
    run(host, ["mdadm", "--grow", node, "--raid-devices=%d" % member_count])


def is_grow(words, is_node):
    """Return whether the argument list of a process is that of an mdadm that reshapes an array.
    is_node(word): whether a word means that one.
    """
    is_reshaping = words[0].rsplit("/", 1)[-1] == "mdadm" and ("--grow" in words or "-G" in words)
    return is_reshaping and any(is_node(word) for word in words if word.startswith("/"))


def act(host, node, action):
    """Begin or end what md does in an array on its own. action: check, idle, ..."""
    run(host, ["mdadm", "--misc", "--action=%s" % action, node])


# -- members ---------------------------------------------------------------------------------------


def set_faulty(host, node, device, may_fail=False):
    """Make a member faulty."""
    _manage(host, node, ["--set-faulty", device], may_fail)


def add(host, node, device):
    """Add a device as a spare, which md puts in the place of a missing member at once."""
    _manage(host, node, ["--add", device])


def re_add(host, node, device):
    """Add a former member in its own place; with a bitmap md copies only what has changed since."""
    _manage(host, node, ["--re-add", device])


def add_journal(host, node, device):
    """Make a device the journal of an array that is read-only."""
    _manage(host, node, ["--add-journal", device])


def replace(host, node, device, new_device):
    """Have a spare filled and put in the place of a member, which serves until then."""
    _manage(host, node, ["--replace", device, "--with", new_device])


def remove(host, node, device):
    """Try to remove a faulty member or a spare, None for all whose nodes have gone. Return the
    CommandFailed to raise if it is a member still.
    """
    word = DETACHED if device is None else device
    done = _manage(host, node, ["--remove", word], may_fail=True)
    return CommandFailed(
        "mdadm --manage %s --remove %s" % (node, word), done.status, " ".join(done.err.split())
    )


def zero_superblock_command(device):
    """Return the argument list that clears a superblock."""
    return ["mdadm", "--zero-superblock", device]


def zero_superblock(host, device):
    """Clear the superblock on a device."""
    run(host, zero_superblock_command(device))


# -- what it tells ---------------------------------------------------------------------------------


def examine_limit_s(host):
    """Return how long reading a superblock may take."""
    return min(host.command_limit_s, EXAMINE_LIMIT_S)


def examine(host, device):
    """Return the Superblock on a device, None if there is none. Raises CommandFailed where it
    cannot be read, Timeout.
    """
    done = run(host, ["mdadm", "--examine", device], examine_limit_s(host), accept=None)
    found = parse_superblock(device, done.out)
    if found is None and NO_SUPERBLOCK not in done.err:
        raise CommandFailed(
            "mdadm --examine %s" % device,
            done.status,
            " ".join(done.err.split()) or "its output cannot be parsed",
        )
    return found


def created_s(host, node):
    """Return when an array was made, in seconds since 1970, None if mdadm does not tell."""
    found = re.search(
        CREATED, run(host, ["mdadm", "--detail", node], accept=None).out, re.MULTILINE
    )
    try:
        return int(time.mktime(time.strptime(found.group(1), UPDATED))) if found else None
    except (ValueError, OverflowError):
        return None


def free_sectors_before(host, device):
    """Return how many sectors are free before the data of a member, None if mdadm does not tell."""
    found = re.search(UNUSED, run(host, ["mdadm", "--examine", device]).out)
    return int(found.group(1)) if found else None


def examine_export(host, device):
    """Return the Export of the superblock on a device."""
    done = run(host, ["mdadm", "--examine", "--export", device], accept=None)
    return _export(done, done.status == 0 or NO_SUPERBLOCK in done.err)


def detail_export(host, node):
    """Return the Export of an array."""
    done = run(host, ["mdadm", "--detail", "--export", node], accept=None)
    return _export(done, done.status == 0)


def has_uuid(export, uuid):
    """Return whether what an Export tells of has this uuid; what mdadm cannot read has none."""
    return export.uuid is not None and same_uuid(export.uuid, uuid)


def version(host):
    """Return what mdadm says of its version."""
    result = run(host, ["mdadm", "--version"], accept=None)
    return result.out + result.err


def knows_ppl(host):
    """Return whether this mdadm knows the consistency policy ppl, by asking it for an array without
    a node and disks.

    It gets no further than its options. A policy that it knows it passes over, so that it complains
    of the same as where none is given.
    """
    results = [
        run(host, ["mdadm", "--create", "--level=5"] + options, accept=None)
        for options in ([], ["--consistency-policy=ppl"], ["--consistency-policy=no-such-policy"])
    ]
    return results[1] == results[0] and results[1] != results[2]


def make_test_events(host, nodes, program, limit_s):
    """Have a monitor of its own make a test event for each array, and hand it to a program.

    The arrays are named, not scanned for: so RAID0 is tested as well, and no running monitor is in
    the way.
    """
    with _configuration() as empty:
        run(
            host,
            [
                "mdadm",
                "--monitor",
                "--test",
                "--oneshot",
                "--config=" + empty.name,
                "--program=" + program,
            ]
            + nodes,
            limit_s,
        )


def _configuration():
    """Return an empty file for a configuration that one command reads."""
    return tempfile.NamedTemporaryFile(
        mode="w", prefix="xsraid-", suffix=".conf", dir=folder_in_memory()
    )


def _export(done, was_read):
    values = dict(line.split("=", 1) for line in reversed(done.out.splitlines()) if "=" in line)
    events = values.get("MD_EVENTS", "")
    return Export(was_read, values.get("MD_UUID"), int(events) if events.isdigit() else sys.maxsize)


def parse_superblock(device, text):
    """Return the Superblock that `mdadm --examine` shows, None if it shows none that has a uuid and
    a count.

    Versions 1.x have `Device Role` and `Array State`; 0.90 has a table with a line for each member,
    the device's own being called `this`.
    """
    values = dict(re.findall(r"^ *([A-Z][A-Za-z ]*?) : (.*?) *$", text, re.MULTILINE))
    uuid = (values.get("Array UUID") or values.get("UUID") or "").split(" ")[0]
    # Mdadm before 3.3 shows the halves of a count of 0.90.
    events = re.match(r"(?:(\d+)\.)?(\d+)\Z", values.get("Events", ""))
    if not uuid or not events:
        return None
    high, low = events.groups()
    count = (int(high) << 32 if high else 0) + int(low)
    slot, active = _table(text) if "Array State" not in values else _roles(values)
    return Superblock(device, md_uuid(uuid), count, values.get("Update Time", ""), slot, active)


def _roles(values):
    role = re.match(r"Active device (\d+)\Z", values.get("Device Role", ""))
    letters = values["Array State"].split(" ")[0]
    active = frozenset(slot for slot, letter in enumerate(letters) if letter in "AR")
    return int(role.group(1)) if role else None, active


def _table(text):
    """Return (slot, active) of a superblock of version 0.90: the columns are a number, Number,
    Major, Minor, RaidDevice and State.
    """
    rows = re.findall(r"^(?:this| +\d+) +\d+ +\d+ +\d+ +(-?\d+) +(.*?)$", text, re.MULTILINE)
    own = re.search(r"^this +\d+ +\d+ +\d+ +(-?\d+) +active sync", text, re.MULTILINE)
    active = frozenset(int(slot) for slot, state in rows if state.startswith("active sync"))
    slot = int(own.group(1)) if own else None
    return slot, active if rows else None
