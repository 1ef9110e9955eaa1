"""What a call that was killed, or cut off by a power failure, left of an array: taken back by the uuid that it had noted, and by that alone."""

from __future__ import absolute_import

import contextlib
import syslog

from xsraid import disks, mail, md, mdadm, notes, probe, survey, sysfs
from xsraid.commands import run
from xsraid.errors import ArrayInUse, XsraidError
from xsraid.host import ASIDE, STATE_DIR

DELETING = "deleting"  # the kind of note of an array that is being deleted
SETTLE_S = 20
NO_SUPERBLOCK = "No md superblock detected"  # what mdadm --examine says of a disk that it could read
WRITTEN = (md.CONFIGURATION, mail.CONFIGURATION, mail.REVALIASES)


@contextlib.contextmanager
def changing(host, who, limit_s, is_brief=False):
    """Hold the lock that all changing functions share, with what earlier calls left unfinished taken back. Raises Busy, and what taking back raises.

    who: the function, to tell others; limit_s: for each command; is_brief: others wait for it. Gives the Lock.
    """
    with host.lock(who, is_brief) as lock:
        take_back_unfinished(host, limit_s)
        yield lock


def take_back_unfinished(host, limit_s):
    """Take back each array whose note says that it is being made.

    Not one that has its ARRAY line: it was finished, and now its note says so. Nor one that somebody has begun to use: that one gets its line.
    """
    _remove_asides(host)
    for uuid in notes.uuids(host, "creating"):
        facts = notes.read(host, "creating", uuid)
        if facts.get("is_made"):
            continue
        configuration = md.read_configuration(host)
        record = None if configuration.has_array(uuid) else _running(host, uuid, limit_s)
        if record is not None and _carries_data(host, record):
            line = configuration.set_array(record["device"], uuid)
            host.log("somebody uses %s, which a killed call had just made: it stays, with the line %s" % (record["device"], line), syslog.LOG_WARNING)
            host.replace(md.CONFIGURATION, configuration.text())
        if configuration.has_array(uuid):
            notes.write(host, "creating", dict(facts, is_made=True), uuid)
        else:
            take_back(host, uuid, limit_s)
    for uuid in notes.uuids(host, DELETING):
        try:
            finish_deletion(host, uuid, limit_s)
        except XsraidError as error:
            host.log("a deletion that was cut off is not finished: %s" % error, syslog.LOG_WARNING)


def finish_deletion(host, uuid, limit_s):
    """Delete the array whose note says so: stop it, take out its line, clear its superblocks, and last the note.

    Where it cannot be stopped, as somebody uses it, nothing is changed and the note goes: whoever still wants it asks again. Raises ArrayInUse,
    CommandFailed, Timeout.
    """
    record = _running(host, uuid, limit_s)
    if record is not None:
        try:
            for user in [user for users in survey.users_of(host, record["device"]) for user in users]:
                raise ArrayInUse(record["device"], user)
            run(host, ["mdadm", "--stop", record["device"]], limit_s)
        except XsraidError:
            notes.remove(host, DELETING, uuid)
            raise
    configuration = md.read_configuration(host)
    if configuration.remove_array(uuid):
        host.replace(md.CONFIGURATION, configuration.text())
    take_back(host, uuid, limit_s, DELETING)


def try_to_take_back(host, uuid, limit_s):
    """Take back after a failure, which stays the one that is reported; what cannot be taken back now, the next call tries again."""
    try:
        take_back(host, uuid, limit_s)
    except XsraidError as error:
        host.log("cannot take back yet: %s" % error, syslog.LOG_WARNING)


def take_back(host, uuid, limit_s, kind="creating"):
    """Stop the array and clear the superblocks that carry a uuid, whatever node and disks are called today; then remove its note, of that kind.

    The note stays while a disk cannot be read: it may carry the uuid, and a later call tries again.
    """
    host.log("clearing away the array %s (%s)" % (mdadm.md_uuid(uuid), kind), syslog.LOG_WARNING)
    record = _running(host, uuid, limit_s)
    if record is not None:
        run(host, ["mdadm", "--stop", record["device"]], limit_s)
    readable, is_one_unreadable = set(), False
    for disk in disks.inventory(host):
        for partition in sysfs.partitions(host, sysfs.name_of(disk["device"])):  # an array that was adopted may have them as members
            clear(host, sysfs.node(partition), uuid, limit_s)
        examined = clear(host, disk["device"], uuid, limit_s)
        if examined.status == 0 or NO_SUPERBLOCK in examined.err:
            readable.update([disk["by_id"], disk["device"]])
        else:
            is_one_unreadable = True  # udev may have forgotten by now which one it is
    request = (notes.read(host, kind, uuid) or {}).get("request", {})
    if not is_one_unreadable or readable.issuperset(
            [device for part in ("devices", "spares", "journals") for device in request.get(part, [])]):
        notes.remove(host, kind, uuid)


def clear(host, device, uuid, limit_s):
    """Clear the superblock on a device if it carries that uuid; return what mdadm said of it before."""
    examined = run(host, ["mdadm", "--examine", "--export", device], limit_s, accept=None)
    if _has_uuid(examined, uuid):
        run(host, ["mdadm", "--zero-superblock", device], limit_s)
    return examined


def _remove_asides(host):
    """Remove files that were written aside and never put in place; one of them may hold the mail server's password."""
    asides = [host.real_path(path) + ASIDE for path in WRITTEN]
    for path in asides + ["%s/%s" % (STATE_DIR, name) for name in host.names(STATE_DIR) if name.endswith(ASIDE)]:
        host.remove(path)


def _running(host, uuid, limit_s):
    """Return the record of the array with a uuid, running or not quite, None when the kernel has none. mdadm is asked: udev may not know it yet."""
    run(host, ["udevadm", "settle", "--timeout=%d" % SETTLE_S], SETTLE_S + 5, accept=None)
    for record in md.read_arrays(host):
        if record["health"] != "missing" and _has_uuid(
                run(host, ["mdadm", "--detail", "--export", record["device"]], limit_s, accept=None), uuid):
            return record
    return None


def _carries_data(host, record):
    if record["health"] == "inactive":
        return False
    name = sysfs.name_of(record["device"])
    found, _ = probe.signatures(host, [name])
    return bool(found.get(name)) or any(survey.users_of(host, record["device"]))


def _has_uuid(answer, uuid):
    """Return whether what mdadm was asked about has this uuid; what it cannot examine has none."""
    found = [line.split("=", 1)[1] for line in answer.out.splitlines() if line.startswith("MD_UUID=")]
    return bool(found) and mdadm.same_uuid(found[0], uuid)
