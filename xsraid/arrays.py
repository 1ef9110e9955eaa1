"""What can be done to arrays: so far, to create one. What they are is for `md` to say."""

from __future__ import absolute_import

import collections
import errno
import os
import re
import syslog
import time

from xsraid import disks, md, mdadm, monitor, settings, sysfs, usage
from xsraid.commands import run
from xsraid.errors import BadArgument, CommandFailed, DiskInUse, NotEnoughDisks, StaleData, Timeout, UnknownDisk, XsraidError
from xsraid.host import STATE_DIR
from xsraid.levels import LEVELS, capacity_bytes
from xsraid.text import command_line, random_hex

SETTLE_S = 20
NUMBERED = r"/dev/md/?(\d+)\Z"
# wipes, create: argument lists; configuration: the mdadm.Configuration with the new line; line: that line.
Plan = collections.namedtuple("Plan", "node name uuid level chosen size_bytes wipes create configuration line")


def create_array(host, session, level, devices, name=None, spares=(), chunk=None, bitmap=None, wipe=False, dry_run=False):
    """Create an array, its node /dev/mdN and its line in /etc/mdadm.conf; return {"array": array record, "commands": [what was run], "warnings"}.

    level: a key of LEVELS; devices, spares: lists of what `disks.resolve` takes; chunk: bytes; bitmap: internal or none; wipe: give up what is left
    on the disks from an earlier life; dry_run: change nothing, reply the commands and "planned": True. Raises DiskInUse, StaleData, NotEnoughDisks,
    UnknownDisk, BadArgument, Busy, CommandFailed, Timeout; the disks are then as free as they were.
    """
    limit_s = settings.load(host).mdadm_timeout_s
    _check_options(level, devices, spares, chunk, bitmap)
    if dry_run:
        plan = _plan(host, session, level, devices, name, spares, chunk, bitmap or "internal", wipe)
        return collections.OrderedDict([("array", _planned_record(plan)), ("commands", _commands(plan)), ("warnings", []), ("planned", True)])
    with host.lock("create_array"):
        _take_back_unfinished(host, limit_s)
        plan = _plan(host, session, level, devices, name, spares, chunk, bitmap or "internal", wipe)
        _carry_out(host, plan, limit_s)
        array = md.find_array(host, plan.uuid)
    return collections.OrderedDict([("array", array), ("commands", _commands(plan)), ("warnings", _watch(host, plan))])


def _watch(host, plan):
    """Make sure that mdadm's monitor watches the new array; return warnings. The array is there and stays there, watched or not."""
    if plan.configuration.first("MAILADDR") is None:
        return ["nobody is alerted when a disk fails: call configure_alerts"]
    if not LEVELS[plan.level].redundant:
        return ["mdadm does not watch arrays without redundancy: a failed disk is not alerted"]
    try:
        monitor.ensure_running(host)
    except (CommandFailed, Timeout) as error:
        return ["mdadm's monitor does not run, nobody is alerted: %s" % error.sentence]
    return []


def _check_options(level, devices, spares, chunk, bitmap):
    rule = LEVELS[level]
    if len(devices) < rule.members_min:
        raise NotEnoughDisks(level, rule.members_min, len(devices))
    if chunk is not None and not rule.chunked:
        raise BadArgument("chunk", "%s has no chunks; leave it out" % level)
    if bitmap == "internal" and not rule.redundant:
        raise BadArgument("bitmap", "%s has no redundancy to keep a bitmap of; leave it out" % level)
    if spares and not rule.redundant:
        raise BadArgument("spares", "%s has no redundancy that a spare could restore; leave it out" % level)


def _plan(host, session, level, devices, name, spares, chunk_bytes, bitmap, wipe):
    found = disks.inventory(host)
    members = disks.resolve(host, found, devices, "devices")
    extra = disks.resolve(host, found, spares, "spares")
    for disk in extra:
        if disk in members:
            raise BadArgument("spares", "%s is among the devices, too" % disk["device"])
    chosen = members + extra
    usage.judge(host, session, chosen)
    _refuse_used(chosen, wipe)
    configuration = md.read_configuration(host)
    node, name = _node_and_name(host, configuration, name)
    uuid = mdadm.md_uuid(random_hex(16))
    line = configuration.set_array(node, uuid, len(extra))
    return Plan(
        node, name, uuid, level, chosen, capacity_bytes(level, min(disk["size_bytes"] for disk in chosen), len(members)),
        [["wipefs", "-a", disk["device"]] for disk in chosen if disk["stale"]],
        mdadm.create_command(node, level, uuid, name, [disk["device"] for disk in members], [disk["device"] for disk in extra], chunk_bytes, bitmap),
        configuration, line)


def _refuse_used(chosen, wipe):
    for disk in chosen:
        if disk["refusals"]:
            raise DiskInUse(disk["device"], disk["refusals"][0]["reason"], usage.in_words(disk["refusals"]))
    for disk in chosen:
        if disk["stale"] and not wipe:
            raise StaleData(disk["device"], ", ".join("%s (at byte %d)" % (item["type"], item["offset_bytes"]) for item in disk["stale"]))


def _node_and_name(host, configuration, name):
    """Return the node and the name of a new array: `mdN` chooses its node, any other name gets the first that is free."""
    taken = set(sysfs.block_devices(host))
    for node, _ in configuration.arrays():
        numbered = re.match(NUMBERED, node)
        taken.add("md" + numbered.group(1) if numbered else node)
    if name is not None and any(record["name"] == name for record in md.read_arrays(host)):
        raise BadArgument("name", "there is an array named %s already" % name)
    if name is not None and re.match(NUMBERED, "/dev/" + name):
        if name in taken:
            raise BadArgument("name", "%s is taken, by a running array or by a line of %s" % (name, md.CONFIGURATION))
        return "/dev/" + name, name
    free = next("md%d" % at for at in range(len(taken) + 1) if "md%d" % at not in taken)
    return "/dev/" + free, name or free


def _commands(plan):
    typed = [command_line(argv) for argv in plan.wipes + [plan.create]]
    return typed + ["echo '%s' >> %s" % (plan.line, md.CONFIGURATION)]


def _planned_record(plan):
    """Return what is known of an array before it is there. The capacity leaves superblocks and bitmap aside."""
    return collections.OrderedDict([
        ("device", plan.node), ("by_id", md.BY_ID + plan.uuid), ("name", plan.name), ("uuid", plan.uuid), ("level", plan.level),
        ("size_bytes", plan.size_bytes),
        ("members", [collections.OrderedDict([("device", disk["device"]), ("serial", disk["serial"])]) for disk in plan.chosen])])


def _carry_out(host, plan, limit_s):
    """Do what was planned; on any failure take it back, so that the disks are free and the files as they were."""
    staged = host.stage(md.CONFIGURATION, plan.configuration.text())  # first: a full or read-only /etc shows before a disk is touched
    try:
        note = _note(host, plan)
        try:
            _claim(host, plan.chosen)
            for argv in plan.wipes:
                host.log("wiping as asked: %s" % command_line(argv), syslog.LOG_NOTICE)
                run(host, argv, limit_s)
            run(host, plan.create, limit_s)
            _wait_for_udev(host, plan)
            staged.commit()
        except BaseException:
            _try_to_take_back(host, note, limit_s)
            raise
        os.unlink(host.path(note))
        host.log("created %s, %s, on %s" % (plan.node, plan.level, " ".join(disk["device"] for disk in plan.chosen)))
    finally:
        staged.discard()


def _wait_for_udev(host, plan):
    """Wait until udev has looked at the new array and its by-id link leads there. Not `udevadm settle`: that waits for everything else, too."""
    deadline = time.time() + SETTLE_S
    link = md.BY_ID + plan.uuid
    while host.real_path(link) != plan.node or plan.uuid not in [record["uuid"] for record in md.read_arrays(host)]:
        if time.time() > deadline:
            raise Timeout("Waiting for udev to make %s" % link, SETTLE_S, "Is systemd-udevd running?")
        time.sleep(0.03)


def _claim(host, chosen):
    """Make sure that at this moment nobody holds any of the disks: all are held at once, then let go for mdadm."""
    held = []
    try:
        for disk in chosen:
            try:
                held.append(os.open(host.path(disk["device"]), os.O_RDONLY | os.O_EXCL))
            except EnvironmentError as error:
                if error.errno == errno.EBUSY:
                    raise DiskInUse(disk["device"], "HELD", "another program has just opened it exclusively")
                raise UnknownDisk(disk["device"], "it has gone since it was listed (%s)" % os.strerror(error.errno))
    finally:
        for descriptor in held:
            os.close(descriptor)


def _note(host, plan):
    """Write down the uuid of what is about to be made; return the note's path. Whatever carries that uuid afterwards is ours to take back."""
    path = "%s/creating-%s" % (STATE_DIR, mdadm.bare_uuid(plan.uuid))
    host.replace(path, plan.uuid + "\n", 0o600)
    return path


def _take_back_unfinished(host, limit_s):
    """Take back what a killed call left: the uuid in its note tells which array and which superblocks are its."""
    for name in host.names(STATE_DIR):
        if re.match(r"creating-[0-9a-f]{32}\Z", name):
            note = "%s/%s" % (STATE_DIR, name)
            if md.read_configuration(host).has_array(name[len("creating-"):]):
                os.unlink(host.path(note))  # it was finished but for this note
            else:
                _take_back(host, note, limit_s)


def _try_to_take_back(host, note, limit_s):
    """Take back after a failure, which stays the one that is reported; what cannot be taken back now, the next call tries again."""
    try:
        _take_back(host, note, limit_s)
    except XsraidError as error:
        host.log("cannot take back yet: %s" % error, syslog.LOG_WARNING)


def _take_back(host, note, limit_s):
    """Stop the array and clear the superblocks that carry the note's uuid, whatever node and disks are called today."""
    uuid = mdadm.md_uuid(note[-32:])
    host.log("taking back the unfinished array %s" % uuid, syslog.LOG_WARNING)
    run(host, ["udevadm", "settle", "--timeout=%d" % SETTLE_S], SETTLE_S + 5, accept=None)
    for record in md.read_arrays(host):
        if record["health"] != "missing" and _carries(host, ["mdadm", "--detail", "--export", record["device"]], uuid, limit_s):
            run(host, ["mdadm", "--stop", record["device"]], limit_s)
    for disk in disks.inventory(host):
        if _carries(host, ["mdadm", "--examine", "--export", disk["device"]], uuid, limit_s):
            run(host, ["mdadm", "--zero-superblock", disk["device"]], limit_s)
    os.unlink(host.path(note))


def _carries(host, question, uuid, limit_s):
    """Return whether what mdadm is asked about has this uuid; what cannot be examined has none (it is gone, or blank)."""
    answer = run(host, question, limit_s, accept=None).out
    found = [line.split("=", 1)[1] for line in answer.splitlines() if line.startswith("MD_UUID=")]
    return bool(found) and mdadm.same_uuid(found[0], uuid)
