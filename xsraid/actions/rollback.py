"""What a call that was killed, or cut off by a power failure, left of an array: taken back by the
uuid that it had noted, and by that alone.
"""

from __future__ import absolute_import

import contextlib
import syslog
import time

from xsraid.alerts import mail, spool
from xsraid.disks import claim, inventory, snapshot
from xsraid.errors import ArrayInUse, XsraidError
from xsraid.host import store, sysfs
from xsraid.host.files import ASIDE, STATE_DIR
from xsraid.host.process import run
from xsraid.md import mdadm, resync
from xsraid.md import state as md_state
from xsraid.states import Health
from xsraid.text import bare_uuid, md_uuid

DELETED_MAX = 16  # notes that are kept
SETTLE_S = 20
# The event count of the superblocks that mdadm writes before an array runs for the first time.
NEVER_RUN = 0
WRITTEN = (md_state.CONFIGURATION, mail.CONFIGURATION, mail.REVALIASES)


@contextlib.contextmanager
def changing(host, who, session=None, is_brief=False):
    """Hold the lock that all changing functions share, with what earlier calls left unfinished
    taken back. Raises Busy, and what taking back raises.

    who: the function, to tell others; session: of XAPI, None if it cannot be asked; is_brief:
    others wait for it. Gives the Lock.
    """
    with host.lock(who, is_brief) as lock:
        take_back_unfinished(host, session)
        yield lock


def take_back_unfinished(host, session=None):
    """Take back each array whose note says that it is being made, finish each deletion whose note
    says that it was begun.

    A deletion is judged once more, which takes XAPI: without it the note goes, and whoever still
    wants it asks again.
    """
    take_back_creations(host, session)
    for uuid in store.uuids(host, store.DELETING):
        try:
            if session is None:
                _give_up_deletion(host, uuid)
                host.log(
                    "the deletion of %s was cut off and is given up, as XAPI cannot be asked "
                    "whether it is in use" % md_uuid(uuid),
                    syslog.LOG_WARNING,
                )
            else:
                finish_deletion(host, session, uuid)
        except XsraidError as error:
            host.log("a deletion that was cut off is not finished: %s" % error, syslog.LOG_WARNING)


def take_back_creations(host, session=None):
    """Take back each array whose note says that it is being made."""
    _remove_asides(host)
    for uuid in store.uuids(host, store.CREATING):
        facts = store.read(host, store.CREATING, uuid)
        if not facts.get("is_made"):
            _settle_creation(host, session, uuid, facts)


def _settle_creation(host, session, uuid, facts):
    """Take back an array that a killed call was making, if it runs and is empty, or if nothing was
    ever written to it.

    Not one that has its ARRAY line: it was finished, and now its note says so. Whatever else is
    found stays and gets its line.
    """
    configuration = md_state.read_configuration(host)
    if configuration.has_array(uuid):
        store.write(host, store.CREATING, dict(facts, is_made=True), uuid)
        return
    record = _running(host, uuid)
    if record is not None and record.health not in Health.NOT_THERE:
        judged = snapshot.judge_array(host, session, record)
        is_idle = not judged.uses and not judged.stale
    else:
        is_idle = _events(host, uuid) <= facts.get("events", NEVER_RUN)
    if is_idle:
        take_back(host, uuid)
        return
    line = configuration.set_array(
        record.device if record else facts.get("node") or "/dev/md/" + bare_uuid(uuid)[:8], uuid
    )
    host.log(
        "an array that a killed call was making is in use, holds data or cannot be looked at: it "
        "stays, with the line %s" % line,
        syslog.LOG_WARNING,
    )
    host.replace(md_state.CONFIGURATION, configuration.text())
    store.remove(host, store.CREATING, uuid)


def finish_deletion(host, session, uuid, is_asked=False):
    """Delete the array whose note says so: judge it, stop it, take out its line, clear its
    superblocks, and last the note. Return the nodes cleared.

    is_asked: somebody names the array in this call, and it need not be running. Of one that does
    not run although it was not stopped here nothing else is changed. Where somebody uses it,
    nothing is changed. In both cases the note goes: whoever still wants it asks again. The note has
    the
    event count with which it was stopped: a superblock with a higher one has been used since, and
    stays. Raises ArrayInUse, WouldLoseData, CommandFailed, Timeout.
    """
    facts = store.read(host, store.DELETING, uuid) or {}
    record = _running(host, uuid)
    runs = record is not None and record.health not in Health.NOT_THERE
    try:
        if (
            not runs
            and not is_asked
            and ("events" not in facts or _events(host, uuid) > facts["events"])
        ):
            raise ArrayInUse(
                md_uuid(uuid),
                "an unknown user, as it does not run",
                "Delete it again if nobody needs it.",
            )
        if record is not None or is_asked:
            claim.refuse_array_in_use(host, session, record or md_state.find_array(host, uuid))
            _stop(host, record, uuid, store.DELETING)
    except XsraidError:
        _give_up_deletion(host, uuid)
        raise
    configuration = md_state.read_configuration(host)
    if configuration.remove_array(uuid):
        host.replace(md_state.CONFIGURATION, configuration.text())
    if "array" in facts:
        # Before its own note goes: a repeat after a kill finds one of them.
        note_deleted(host, uuid, facts["array"], facts["request"]["devices"])
    cleared = take_back(host, uuid, store.DELETING)
    spool.forget(host, uuid)
    return cleared


def note_deleted(host, uuid, facts, cleared):
    """Keep in mind what was deleted, so that a repeat of the call does not take another array for
    it. The oldest notes go.

    facts: {"device", "name"} of the array; cleared: nodes.
    """
    store.write(host, store.DELETED, dict(facts, disks=cleared, time=int(time.time())), uuid)
    kept = sorted(
        store.uuids(host, store.DELETED),
        key=lambda uuid: store.read(host, store.DELETED, uuid).get("time", 0),
    )
    for uuid in kept[:-DELETED_MAX]:
        store.remove(host, store.DELETED, uuid)


def _give_up_deletion(host, uuid):
    """Forget a deletion of which nothing is done yet, or nothing but that the array is
    read-only.
    """
    facts, record = store.read(host, store.DELETING, uuid) or {}, _running(host, uuid)
    if record is not None and facts.get("is_held"):
        resync.make_writable(host, record)
    store.remove(host, store.DELETING, uuid)


def _stop(host, record, uuid, kind):
    """Stop an array, if it is there, with its event count in its note: of a superblock with a
    higher one somebody has made use since.

    A read-only array is stopped without another event (the kernel's md.c, md_stop_writes), so that
    the count is known before. Raises CommandFailed, Timeout; the array then is as it was.
    """
    was_writable = (
        record is not None and record.health not in Health.NOT_THERE and not record.read_only
    )
    facts = store.read(host, kind, uuid) or {}
    if was_writable:
        facts["is_held"] = True  # first: whoever gives it up after a kill lets it go again
        store.write(host, kind, facts, uuid)
        resync.make_read_only(host, record)
    try:
        store.write(host, kind, dict(facts, events=_events(host, uuid)), uuid)
        if record is not None:
            mdadm.stop(host, record.device)
    except BaseException:
        if was_writable:
            resync.make_writable(host, record)
        raise


def _events(host, uuid):
    """Return the highest event count of the superblocks with a uuid, NEVER_RUN where there is
    none.
    """
    counts = [NEVER_RUN]
    for device, _ in sysfs.disks_and_partitions(host):
        examined = mdadm.examine_export(host, device)
        if mdadm.has_uuid(examined, uuid):
            counts.append(examined.events)
    return max(counts)


def try_to_take_back(host, uuid):
    """Take back after a failure, which stays the one that is reported; what cannot be taken back
    now, the next call tries again.
    """
    try:
        take_back(host, uuid)
    except XsraidError as error:
        host.log("cannot take back yet: %s" % error, syslog.LOG_WARNING)


def take_back(host, uuid, kind=store.CREATING):
    """Stop the array and clear the superblocks that carry a uuid, whatever node and disks are
    called today; then remove its note, of that kind.

    Superblocks with a higher event count than it was stopped with stay: somebody has used it since.
    The note stays while a disk cannot be read: it may carry the uuid, and a later call tries again.
    Return the nodes of the devices that were cleared.
    """
    host.log("clearing away the array %s (%s)" % (md_uuid(uuid), kind), syslog.LOG_WARNING)
    record = _running(host, uuid)
    if record is not None or "events" not in (store.read(host, kind, uuid) or {}):
        _stop(host, record, uuid, kind)
    facts = store.read(host, kind, uuid)
    readable, cleared, is_one_unreadable = set(), [], False
    for disk in inventory.inventory(host):
        # An array that was adopted may have them as members.
        for partition in sysfs.partitions(host, sysfs.name_of(disk.device)):
            cleared += _clear_stopped(host, sysfs.node(partition), uuid, facts["events"])[1]
        examined, here = _clear_stopped(host, disk.device, uuid, facts["events"])
        cleared += here
        if examined.was_read:
            readable.update([disk.by_id, disk.device])
        else:
            is_one_unreadable = True  # udev may have forgotten by now which one it is
    request = facts.get("request", {})
    if not is_one_unreadable or readable.issuperset(
        [device for part in ("devices", "spares", "journals") for device in request.get(part, [])]
    ):
        store.remove(host, kind, uuid)
    return cleared


def _clear_stopped(host, device, uuid, events):
    """Clear the superblock of a stopped array on a device; return (what mdadm said of it before,
    [device] if it was cleared).
    """
    examined = mdadm.examine_export(host, device)
    if not mdadm.has_uuid(examined, uuid):
        return examined, []
    if examined.events > events:
        host.log(
            "%s stays a member of %s: the array has been used since it was stopped"
            % (device, md_uuid(uuid)),
            syslog.LOG_WARNING,
        )
        return examined, []
    mdadm.zero_superblock(host, device)
    return examined, [device]


def may_carry(host, device, uuid):
    """Return whether the superblock on a device has that uuid, or cannot be read."""
    examined = mdadm.examine_export(host, device)
    return mdadm.has_uuid(examined, uuid) or not examined.was_read


def clear(host, device, uuid):
    """Clear the superblock on a device if it carries that uuid; return what mdadm said of it
    before.
    """
    examined = mdadm.examine_export(host, device)
    if mdadm.has_uuid(examined, uuid):
        mdadm.zero_superblock(host, device)
    return examined


def _remove_asides(host):
    """Remove files that were written aside and never put in place; one of them may hold the mail
    server's password.
    """
    asides = [host.real_path(path) + ASIDE for path in WRITTEN]
    for path in asides + [
        "%s/%s" % (STATE_DIR, name) for name in host.names(STATE_DIR) if name.endswith(ASIDE)
    ]:
        host.remove(path)


def _running(host, uuid):
    """Return the record of the array with a uuid, running or not quite, None when the kernel has
    none. mdadm is asked: udev may not know it yet.
    """
    run(host, ["udevadm", "settle", "--timeout=%d" % SETTLE_S], SETTLE_S + 5, accept=None)
    for record in md_state.read_arrays(host):
        if record.health != Health.MISSING and mdadm.has_uuid(
            mdadm.detail_export(host, record.device), uuid
        ):
            return record
    return None
