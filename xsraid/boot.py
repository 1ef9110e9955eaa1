"""What is done at each boot, by the units that the RPM lays down: before xapi starts the arrays are assembled, then their SRs are plugged.

Nothing is ever forced: an array that its members cannot make up stays as it is, and is told of.
"""

from __future__ import absolute_import

import syslog
import tempfile
import time

import XenAPI

from xsraid import alerts, arrays, delivery, initrd, lvm, md, mdadm, notes, recovery, settings, survey, sysfs, xapi
from xsraid.commands import run
from xsraid.errors import Busy, XsraidError
from xsraid.host import Host
from xsraid.text import printable

LOOK_S = 1  # how often to look for disks that are late
SETTLE_S = 20
XAPI_WAIT_S = 60
# What each health is told as: the name of XAPI's message, its priority (1 critical, 2 major), and what it means.
TOLD = {
    "degraded": ("XSRAID_ARRAY_DEGRADED", 2, "It is degraded since this boot or before."),
    "failed": ("XSRAID_ARRAY_FAILED", 1, "Too many of its members are gone: it cannot serve any data."),
    "inactive": ("XSRAID_ARRAY_MISSING", 1, "It could not be started: members are missing, or it was cut off while it was degraded and written to."),
    "missing": ("XSRAID_ARRAY_MISSING", 1, "None of its members was found."),
}


def main(arguments):
    """Do what a unit asks for, `assemble`, `attach` or `initrd`; return the exit status."""
    host = Host()
    try:
        {"assemble": assemble, "attach": attach_locally, "initrd": initrd.make}[" ".join(arguments)](host)
    except (XsraidError, XenAPI.Failure, EnvironmentError) as error:
        host.log("at boot: %s" % error, syslog.LOG_ERR)
        return 1
    return 0


def assemble(host):
    """Assemble every array of /etc/mdadm.conf that is not running, under its node, and note what was done. Raises Busy and what settings raise.

    Members that are late are waited for, up to `[boot] wait_s` of /etc/xsraid.conf; then an array starts without them, if it can. The lock is not
    held while nothing is done but to wait.
    """
    limits = settings.load(host)
    deadline = time.time() + limits.boot_wait_s
    _settle(host)
    while True:
        try:
            with host.lock("assembling arrays"):
                if _assemble_all(host, time.time() > deadline, limits.mdadm_timeout_s):
                    return
        except Busy:
            if time.time() > deadline + limits.mdadm_timeout_s:
                raise
        time.sleep(LOOK_S)


def attach_locally(host):
    """`attach` on a session of its own, tried again while xapi is being restarted."""
    deadline = time.time() + XAPI_WAIT_S
    while True:
        try:
            _attach_once(host)
            return
        except (EnvironmentError, Busy) as error:  # no socket, or nobody behind it
            if time.time() > deadline:
                raise
            host.log("at boot: not yet: %s" % error)
        time.sleep(LOOK_S)


def _attach_once(host):
    session = XenAPI.xapi_local()
    session.xenapi.login_with_password("root", "", "1.0", "xsraid")
    try:
        attach(host, session)
    finally:
        session.xenapi.session.logout()


def attach(host, session):
    """Plug the SRs that xapi could not plug, take in late members, apply alert settings that an upgrade of dom0 dropped, tell what is wrong.

    Raises Busy, and what settings and XAPI raise.
    """
    limit_s = settings.load(host).mdadm_timeout_s
    with recovery.changing(host, "attaching storage repositories", limit_s):
        facts = notes.read(host, "boot")
        did = []
        for uuid, events in (facts or {}).get("started_without", []):
            did += _tried(host, "taking in late members", lambda: _take_in(host, uuid, events, limit_s))  # noqa: B023 - called at once
        did += _tried(host, "plugging", lambda: _plug(host, session))
        did += _tried(host, "applying the alert settings", lambda: alerts.restore(host, session))
        for sentence in did:
            host.log("at boot: " + sentence, syslog.LOG_WARNING)
        if facts is not None:
            _tell(host, session, facts)
            notes.remove(host, "boot")


def _tried(host, what, act):
    """Return the sentences of act(), or the one that says why it failed: what is left is done all the same."""
    try:
        return act() or []
    except XsraidError as error:
        return ["%s failed: %s" % (what, error.sentence)]
    except XenAPI.Failure as error:
        return ["%s failed: %s" % (what, printable(" ".join(error.details)))]


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
    did = _tried(host, "taking back", lambda: recovery.take_back_unfinished(host, limit_s))
    for uuid, node in _not_running(host):
        if uuid and _inactive(host, uuid) is None:
            _assemble(host, node, uuid, ["--no-degraded"], limit_s)
    waiting = _not_running(host)
    if waiting and not is_last:
        return False
    for uuid, node in waiting:
        did += _tried(host, "starting", lambda: _start_without(host, node, uuid, limit_s))  # noqa: B023 - called at once
    done, left = _put_right(host, limit_s)
    did += [sentence for _, sentence in done + left]
    _settle(host)
    notes.write(host, "boot", {"started_without": _events_of(host, waiting), "left": left})
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
    if inactive is not None:
        said = run(host, ["mdadm", "--run", inactive], limit_s, accept=None).err
    elif uuid:
        said = _assemble(host, node, uuid, ["--run"], limit_s)
    else:
        said = run(host, ["mdadm", "--assemble", node], limit_s, accept=None).err  # a line that finds its members by name or device
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
    wrong = [record for record in records if record["uuid"] in nodes and host.real_path(nodes[record["uuid"]]) != record["device"]]
    right = {record["device"]: record for record in records if record not in wrong}
    done, left, stopped = [], [], []
    for record in wrong:
        node = nodes[record["uuid"]]
        users = _users(host, record)
        taken = right.get(host.real_path(node))
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


def _users(host, record):
    """Return what uses an array, after deactivating the volume group on it if nothing of that is open."""
    mounts, swaps, others = survey.users_of(host, record["device"])
    if others and not mounts and not swaps:
        group = lvm.volume_groups(host).get(sysfs.attribute(host, sysfs.name_of(record["device"]), "dev"))
        if group and group.name:
            _tried(host, "deactivating " + group.name, lambda: lvm.deactivate(host, group.name))
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


def _take_in(host, uuid, events, limit_s):
    """Take members back into an array that was started without them, if they were in sync until then; others are for a person to judge.

    events: the array's event count when it started. udev does not take in what comes after the start.
    """
    record = next(record for record in md.read_arrays(host) if record["uuid"] and mdadm.same_uuid(record["uuid"], uuid))
    known = [member["device"] for member in record["members"]]
    taken = []
    for device, number in sysfs.disks_and_partitions(host):
        properties = sysfs.udev_properties(host, number)
        is_member = properties.get("ID_FS_TYPE") == md.MEMBER_TYPE and mdadm.same_uuid(properties.get("ID_FS_UUID", ""), uuid)
        if is_member and device not in known and _events(host, device) >= events >= 0:
            run(host, ["mdadm", "--manage", record["device"], "--re-add", device], limit_s)
            taken.append("%s took in %s, which came late" % (record["device"], device))
    return taken


def _plug(host, session):
    """Plug the PBDs of this host whose SRs are on arrays and which xapi could not plug; return what was done."""
    did = []
    records = {record["uuid"]: record for record in md.read_arrays(host) if record["health"] not in md.NOT_THERE}
    for pbd in xapi.local_pbds(host, session):
        record = records.get(session.xenapi.SR.get_other_config(pbd["SR"]).get(xapi.ARRAY_TAG))
        if record is not None:
            did += _tried(host, "keeping its node", lambda: arrays.adopt_line(host, record))  # noqa: B023 - called at once
        if record is not None and not pbd["currently_attached"]:
            name = xapi.sr_summary(session, pbd["SR"])["name_label"]
            did += _tried(host, "plugging the storage repository " + name, lambda: _plug_one(session, pbd, name))  # noqa: B023
    return did


def _plug_one(session, pbd, name):
    session.xenapi.PBD.plug(pbd["ref"])
    return ["plugged the storage repository " + name]


def _tell(host, session, facts):
    """Tell of arrays that are not as they should be: in XenCenter, and by mail of those that mdadm's monitor does not mail of."""
    records = [record for record in md.read_arrays(host) if record["configured"]]
    md.name_srs(host, session, records)
    left = dict(facts.get("left", []))
    for record in records:
        if record["health"] in TOLD:
            name, priority, meaning = TOLD[record["health"]]
            delivery.tell(host, session, record, name, priority, meaning, by_mail=record["health"] != "degraded")
        if record["uuid"] in left:
            delivery.tell(host, session, record, "XSRAID_ARRAY_MISPLACED", 4, left[record["uuid"]] + ".", by_mail=False)
