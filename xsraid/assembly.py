"""Assembling arrays at boot: each under its node, with the members that are there, late ones waited for, and nothing forced.

What is done with the arrays once xapi is up is for `boot`.
"""

from __future__ import absolute_import

import re
import syslog
import tempfile
import time

import XenAPI

from xsraid import lvm, md, mdadm, notes, recovery, settings, survey, sysfs
from xsraid.commands import run
from xsraid.errors import Busy, XsraidError
from xsraid.mdadm import NUMBERED
from xsraid.text import printable

SETTLE_S = 20


def assemble(host):
    """Assemble every array of /etc/mdadm.conf that is not running, under its node, and note what was done. Raises Busy.

    Members that are late are waited for, up to `[boot] wait_s` of /etc/xsraid.conf; then an array starts without them, if it can. Between two looks
    the lock is let go. Looks are counted, not seconds of the clock: that may be set while dom0 boots.
    """
    limits = settings.load_or_default(host)
    _settle(host)
    for look in range(limits.boot_wait_s + limits.mdadm_timeout_s):
        try:
            with host.lock("assembling arrays"):
                if _assemble_all(host, look >= limits.boot_wait_s, limits.mdadm_timeout_s):
                    return
        except Busy as error:
            busy = error
        time.sleep(1)
    raise busy


def tried(what, act, *arguments):
    """Return the sentences of an act, or the one that says why it failed: what is left is done all the same."""
    try:
        return act(*arguments) or []
    except XsraidError as error:
        return ["%s failed: %s" % (what, error.sentence)]
    except XenAPI.Failure as error:
        return ["%s failed: %s" % (what, printable(" ".join(error.details)))]


def take_in(host, uuid, events, limit_s):
    """Take free disks that are members of an array into it, if they are as fresh as it was with `events`, its event count; return what was done.

    udev does not take in what comes after the start. Staler ones have failed or been away: those are for a person to judge.
    """
    record = next(record for record in md.read_arrays(host) if record["uuid"] and mdadm.same_uuid(record["uuid"], uuid))
    known = [member["device"] for member in record["members"]]
    taken = []
    for device, number in sysfs.disks_and_partitions(host):
        properties = sysfs.udev_properties(host, number)
        is_member = properties.get("ID_FS_TYPE") == md.MEMBER_TYPE and mdadm.same_uuid(properties.get("ID_FS_UUID", ""), uuid)
        if is_member and device not in known and _events(host, device) >= events >= 0:
            run(host, ["mdadm", "--manage", record["device"], "--re-add", device], limit_s)
            taken.append("%s took in %s" % (record["device"], device))
    return taken


def _not_running(host):
    """Return [(uuid, node)] of the ARRAY lines whose arrays do not run; either may be None."""
    records = md.read_arrays(host)
    running = [mdadm.bare_uuid(record["uuid"]) for record in records if record["uuid"] and record["health"] not in ("missing", "inactive")]
    waiting = []
    for node, uuid in md.read_configuration(host).arrays():
        if mdadm.bare_uuid(uuid) not in running if uuid else host.device_number(node) is None:
            waiting.append((uuid, node))
    return waiting


def _inactive(host, uuid):
    """Return the node of an array that udev has begun to assemble and that waits for members, None when there is none."""
    return next((record["device"] for record in md.read_arrays(host)
                 if uuid and record["uuid"] and record["health"] == "inactive" and mdadm.same_uuid(record["uuid"], uuid)), None)


def _assemble_all(host, is_last, limit_s):
    """Assemble what is complete, return whether that is all or, with is_last, all that can be done.

    An array that udev has begun to assemble starts by itself when its last member comes; one of which udev knows nothing is tried again and again.
    """
    did = tried("taking back", recovery.take_back_unfinished, host, limit_s)
    for uuid, node in _not_running(host):
        if uuid and _inactive(host, uuid) is None:
            _assemble(host, node, uuid, ["--no-degraded"], limit_s)
    waiting = _not_running(host)
    if waiting and not is_last:
        return False
    for uuid, node in waiting:
        did += tried("starting", _start_without, host, node, uuid, limit_s)
    done, left = _put_right(host, limit_s)
    did += [sentence for _, sentence in done + left]
    _settle(host)
    started = _events_of(host, waiting)
    for record in md.read_arrays(host):
        if record["configured"] and record["health"] not in md.NOT_THERE:
            did += tried("repairing " + record["device"], _repair, host, record, limit_s)
    notes.write(host, "boot", {"started_without": started, "left": left})
    for sentence in did:
        host.log("at boot: " + sentence, syslog.LOG_WARNING)
    return True


def _settle(host):
    run(host, ["udevadm", "settle", "--timeout=%d" % SETTLE_S], SETTLE_S + 5, accept=None)


def _assemble(host, node, uuid, options, limit_s):
    """Have mdadm assemble one array as a configuration with its line alone tells; return what it said.

    Only so does mdadm know `--no-degraded`: with a node on the command line it starts an array without a member as soon as it can run (mdadm(8)).
    """
    with tempfile.NamedTemporaryFile(mode="w", suffix=".conf") as configuration:
        configuration.write("ARRAY %sUUID=%s\n" % (node + " " if node else "", mdadm.md_uuid(uuid)))
        configuration.flush()
        return run(host, ["mdadm", "--assemble", "--scan", "--config=" + configuration.name] + options, limit_s, accept=None).err.strip()


def _start_without(host, node, uuid, limit_s):
    """Start an array without the members that did not come, if it can; return what was done."""
    inactive = _inactive(host, uuid)
    said = ""
    if inactive is not None:
        said = run(host, ["mdadm", "--run", inactive], limit_s, accept=None).err
        if (uuid, node) in _not_running(host):  # what udev collected may be the wrong members: mdadm chooses better when it sees all of them at once
            run(host, ["mdadm", "--stop", inactive], limit_s, accept=None)
            inactive = None
    if inactive is None:
        said = _assemble(host, node, uuid, ["--run"], limit_s) if uuid else run(host, ["mdadm", "--assemble", node], limit_s, accept=None).err
    name = node or mdadm.md_uuid(uuid)
    if (uuid, node) in _not_running(host):
        return ["%s could not be started: %s" % (name, " ".join(said.split()) or "none of its members is there")]
    return ["%s was started, after waiting in vain for all its members" % name]


def _put_right(host, limit_s):
    """Bring arrays that have another node than their ARRAY line gives them to that node, unless somebody uses them.

    A volume group that udev has activated, but of which nothing is open, counts as nobody. Return (what was done, what was left), each
    [(uuid, sentence)].
    """
    nodes = {mdadm.md_uuid(uuid): node for node, uuid in md.read_configuration(host).arrays() if uuid and node}
    records = [record for record in md.read_arrays(host) if record["health"] not in md.NOT_THERE]
    wrong = [record for record in records if record["uuid"] in nodes and _kernel_node(host, nodes[record["uuid"]]) != record["device"]]
    right = {record["device"]: record for record in records if record not in wrong}
    done, left, stopped = [], [], []
    for record in wrong:
        node = nodes[record["uuid"]]
        users = _users(host, record)
        taken = right.get(_kernel_node(host, node))
        if users or taken:
            why = "in use by %s" % ", ".join(users) if users else "its node is that of %s" % taken["uuid"]
            left.append((record["uuid"], "%s should be %s, but it is %s" % (record["device"], node, why)))
        else:
            run(host, ["mdadm", "--stop", record["device"]], limit_s)
            stopped.append(record)
    for record in stopped:
        _assemble(host, nodes[record["uuid"]], record["uuid"], ["--run"], limit_s)
        done.append((record["uuid"], "%s was brought to its node %s" % (record["device"], nodes[record["uuid"]])))
    return done, left


def _kernel_node(host, node):
    """Return the node that the kernel has for an array's node: /dev/mdN is itself, even where a link of that name leads elsewhere."""
    numbered = re.match(NUMBERED, node)
    return "/dev/md" + numbered.group(1) if numbered else host.real_path(node)


def _users(host, record):
    """Return what uses an array, after deactivating the volume group on it if nothing of that is open."""
    mounts, swaps, others = survey.users_of(host, record["device"])
    if others and not mounts and not swaps:
        group = lvm.volume_groups(host).get(sysfs.attribute(host, sysfs.name_of(record["device"]), "dev"))
        if group and group.name:
            tried("deactivating " + group.name, lvm.deactivate, host, group.name)
            mounts, swaps, others = survey.users_of(host, record["device"])
    return mounts + swaps + others


def _events_of(host, lines):
    """Return [(uuid, event count)] of those arrays that run now; the count is that of a member's superblock."""
    found = []
    for record in md.read_arrays(host):
        active = [member["device"] for member in record["members"] if member["state"] == "active"]
        if active and record["uuid"] and any(uuid and mdadm.same_uuid(uuid, record["uuid"]) for uuid, _ in lines):
            found.append((record["uuid"], _events(host, active[0])))
    return found


def _events(host, device):
    """Return the event count of a member's superblock, -1 where it has none."""
    for line in run(host, ["mdadm", "--examine", "--export", device], accept=None).out.splitlines():
        if line.startswith("MD_EVENTS="):
            return int(line.split("=", 1)[1])
    return -1


def _repair(host, record, limit_s):
    """Have a running array that is not whole take in members that udev left out, and begin to repair itself; return what was done.

    md repairs nothing until the array is first written to, and only then puts down which members are missing: until that a disk that comes back could
    be taken for one that is up to date.
    """
    active = [member["device"] for member in record["members"] if member["state"] == "active"]
    missing = [member for member in record["members"] if member["state"] == "missing"]
    half_filled = [member for member in record["members"] if member["state"] == "rebuilding"]
    did = take_in(host, record["uuid"], _events(host, active[0]), limit_s) if missing and active else []
    if (missing or half_filled or record["sync"]) and sysfs.attribute(host, sysfs.name_of(record["device"]), "md/array_state") == "read-auto":
        run(host, ["mdadm", "--readwrite", record["device"]], limit_s)
    return did
