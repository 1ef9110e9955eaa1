"""The care of arrays: a check of each once a month, at a quiet hour and with a limited speed;
looking at what the disks say of their health.

The verb `check_array`, and `look_after`, which the unit xsraid-care.service calls every hour.
"""

from __future__ import absolute_import

import collections
import re
import syslog
import time

from xsraid.actions import identify, members, rollback
from xsraid.alerts import deliver, rules, spool
from xsraid.disks import smart
from xsraid.errors import ArrayInUse, BadArgument, Busy, UnknownArray, XsraidError
from xsraid.host import clock, config, store, sysfs
from xsraid.md import mdadm, resync
from xsraid.md import state as md_state
from xsraid.md.levels import is_known, is_redundant
from xsraid.states import Health, SyncAction

SETTLE_S, LOOK_S = 5, 0.1
DAY_S = 24 * 3600
SPEEDS = ("md/sync_speed_min", "md/sync_speed_max")  # KiB/s, or `system`
RAID_CHECK = "/etc/cron.d/raid-check"  # CentOS 7's, with its switch in /etc/sysconfig
RAID_CHECK_SWITCH = "/etc/sysconfig/raid-check"
TIMERS = ("raid-check.timer", "mdcheck_start.timer")  # EL 9's and mdadm's own
UNITS = "/etc/systemd/system"
OVERDUE_PERIODS = 3  # how many times as long as it should be until it is told of
OVERDUE = (
    "it has not been checked for %d days: the host may be off, or busy, between %d and %d o'clock"
)


def check_array(host, session, array, action):
    """Start a check of an array, or stop the one that runs. Return {"array": array record,
    "schedule": who checks it when}.

    Its mismatch_count is what the last check found. action: start or stop. Raises ArrayInUse while
    something else runs on the array, BadArgument while it is degraded, UnknownArray, Busy,
    CommandFailed, Timeout.
    """
    limits = config.load(host)
    with rollback.changing(host, "check_array", session):
        record = md_state.find_array(host, array)
        if record.health in Health.NOT_THERE:
            raise UnknownArray(
                array, "this array is %s, it cannot be checked" % md_state.state_in_words(record)
            )
        if not is_redundant(record.level):
            why = (
                "whose members hold no redundant data to compare"
                if is_known(record.level)
                else "a level that is not known"
            )
            raise BadArgument("array", "%s is %s, %s" % (record.device, record.level, why))
        members.refuse_read_only(record)
        resync.wake(host, record)
        under_way = record.sync.action if record.sync else None
        if under_way not in (None, SyncAction.CHECK):
            raise ArrayInUse(record.device, "its own %s" % under_way, "Let that end first.")
        if record.health == Health.DEGRADED and action == "start":
            raise BadArgument(
                "array",
                "%s is degraded: a missing member cannot be compared; repair the array first"
                % record.device,
            )
        if action == "start" and under_way is None:
            resync.thaw(host, record)
            _write(host, record, "md/sync_min", "0")
            # Somebody may have left a check to end early.
            _write(host, record, "md/sync_max", "max")
            _act(host, record, SyncAction.CHECK)
            _note(host, record, is_asked=True, begun=time.time())
            deliver.start(host)  # which notes what it finds
        elif action == "stop" and under_way == SyncAction.CHECK:
            _stop(host, record)
    record = md_state.list_arrays(host, session, record.uuid)["arrays"][0]
    return collections.OrderedDict([("array", record), ("schedule", _schedule(host, limits))])


def _stop(host, record):
    """Stop a check. One that was due is then due still, and it goes on in the next quiet hours."""
    _act(host, record, SyncAction.IDLE)
    care = store.read(host, store.CARE) or {}
    known = care.get("arrays", {}).get(record.uuid, {})
    if known.get("is_asked"):
        _note(host, record, is_asked=False)
    if known.get("is_running"):
        _note(host, record, is_running=False, at=_resumes_at(host, record))
        _set_speeds(host, record, ("system", "system"))


def _note(host, record, **facts):
    """Note facts of the checks of an array, see store.CARE."""
    care = store.read(host, store.CARE) or {}
    known = care.setdefault("arrays", {}).setdefault(record.uuid, _unchecked(time.time()))
    known.update(facts)
    store.write(host, store.CARE, care)


def _unchecked(now):
    return {"since": now, "done": None, "at": 0, "is_running": False}


def note_ends(host, records):
    """Note what checks have found that have ended: a boot resets the kernel's counts. records: of
    `state.read_arrays`. Raises Busy, CommandFailed.
    """
    known = (store.read(host, store.CARE) or {}).get("arrays", {})
    if not any(_has_ended(record, known.get(record.uuid, {})) for record in records):
        return
    with host.lock("noting what checks have found", is_brief=True):
        care, now = store.read(host, store.CARE) or {}, time.time()
        for record in records:
            known = care.get("arrays", {}).get(record.uuid, {})
            if _has_ended(record, known):
                _note_end(host, record, known, now)
        store.write(host, store.CARE, care)


def _has_ended(record, known):
    is_begun = known.get("is_asked") or known.get("is_running")
    return bool(is_begun) and record.health not in Health.NOT_THERE and not _is_checking(record)


def look_after(host):
    """Do what is due this hour. What one part cannot do keeps no other from its own; it is tried
    again in an hour.
    """
    limits = config.load_or_default(host)
    for act in (
        lambda: identify.put_out(host),
        lambda: _look_at_disks(host),
        lambda: _look_at_checks(host, limits),
    ):
        try:
            act()
        except XsraidError as error:
            host.log(
                "care: %s" % error,
                syslog.LOG_INFO if isinstance(error, Busy) else syslog.LOG_WARNING,
            )


def free_speed(host, records):
    """Let arrays whose check has ended, or given way to a rebuild, run at full speed. records: of
    `state.read_arrays`. Raises CommandFailed.
    """
    known = (store.read(host, store.CARE) or {}).get("arrays", {})
    for record in records:
        if known.get(record.uuid, {}).get("is_running") and not _is_checking(record):
            _set_speeds(host, record, ("system", "system"))


def _look_at_disks(host):
    """Ask each disk that arrays are on for its health; have new findings told."""
    known, now = store.read(host, store.CARE) or {}, time.time()
    remembered = {}
    for disk, (record, member) in sorted(_disks(host).items()):
        key = sysfs.disk_key(host, sysfs.node(disk))
        # 0.2 remembered disks by their serial numbers.
        before = known.get("disks", {}).get(key) or known.get("disks", {}).get(member.serial, {})
        seen = smart.examine(host, sysfs.node(disk))
        if seen is None:
            remembered.update({key: before} if before else {})
            continue
        sentences, memory = smart.findings(before.get("told", {}), seen, now)
        if sentences:
            host.log(
                "%s of %s is weak: %s" % (member.device, record.device, "; ".join(sentences)),
                syslog.LOG_WARNING,
            )
            spool.add_event(
                host, rules.WEAK, record.device, now, member.device, "; ".join(sentences)
            )
        remembered[key] = {"seen": seen, "time": now, "told": memory}
    if remembered != known.get("disks", {}):
        # A check may have been stopped meanwhile.
        store.write(host, store.CARE, dict(store.read(host, store.CARE) or {}, disks=remembered))


def _disks(host):
    """Return {kernel name of a disk: (array record, member record)} of the disks that arrays are
    on, the first array of each, a container last.
    """
    found = {}
    for record in sorted(
        md_state.read_arrays(host), key=lambda record: record.health == Health.CONTAINER
    ):
        for member in record.members:
            if member.device:
                found.setdefault(_disk_of(host, member.device), (record, member))
    return found


def _disk_of(host, device):
    """Return the kernel name of the disk that a device is, or is a partition of."""
    name = sysfs.name_of(device)
    return next(
        (
            disk
            for disk in sysfs.block_devices(host)
            if disk == name or name.startswith(disk) and name in sysfs.partitions(host, disk)
        ),
        name,
    )


def _look_at_checks(host, limits):
    """Begin the checks that are due, pause those that run beyond their hours, note those that have
    ended.
    """
    with rollback.changing(host, "the monthly check", is_brief=True):
        known, now = store.read(host, store.CARE) or {}, time.time()
        there = [record for record in md_state.read_arrays(host) if record.uuid]
        records = [record for record in there if record.health not in Health.NOT_THERE]
        left_to = other_checker(host)
        if left_to != known.get("left_to") and left_to:
            host.log(
                "arrays are checked by %s, so xsraid leaves that to it" % left_to, syslog.LOG_NOTICE
            )
        is_time = (
            left_to is None
            and limits.check_every_days > 0
            and is_within(limits.check_hours, time.localtime(now).tm_hour)
        )
        before = known.get("arrays", {})
        arrays = {record.uuid: before[record.uuid] for record in there if record.uuid in before}
        arrays.update(
            (
                record.uuid,
                _brought_up(host, record, before.get(record.uuid, {}), now, is_time),
            )
            for record in records
        )
        if is_time:
            _begin(host, records, arrays, now, limits)
        if left_to is None and limits.check_every_days > 0:
            _report_overdue(host, records, arrays, now, limits)
        store.write(host, store.CARE, dict(known, arrays=arrays, left_to=left_to))


def _brought_up(host, record, known, now, is_time):
    """Return what is to be remembered of an array, see md.CARE.

    The kernel says in sync_min where a check that was cut short would go on, 0 after one that went
    to the end, or that a rebuild cut short in its beginning (md_do_sync): then the rebuild was its
    last action.
    """
    known = dict(_unchecked(now), **known)
    known["since"] = min(known["since"], now)  # the clock was put back
    if _has_ended(record, known):
        _note_end(host, record, known, now)
    elif known["is_running"]:
        known["at"] = _position(host, record)
        if not is_time:
            _act(host, record, SyncAction.IDLE)
            known["at"] = _resumes_at(host, record) or known["at"]
            _set_speeds(host, record, ("system", "system"))
            known["is_running"] = False
    return known


def _note_end(host, record, known, now):
    """Put down in what is known of an array that a check of it has ended, and what it found."""
    name = sysfs.name_of(record.device)
    if known.get("is_running"):
        known["at"] = _resumes_at(host, record)
        _set_speeds(host, record, ("system", "system"))
    if record.health == Health.OPTIMAL and md_state.has_checked_all(host, name):
        known.update(since=now, done=now, at=0, is_overdue_told=False)
        known["found"] = sysfs.number(host, name, "md/mismatch_cnt")
    known["is_running"] = known["is_asked"] = False


def _begin(host, records, arrays, now, limits):
    """Begin the checks that are due: the longest unchecked array first, none that shares a disk
    with one on which anything runs.
    """
    busy = {disk for record in records if record.sync for disk in _disks_of(host, record)}
    for record in sorted(records, key=lambda record: arrays[record.uuid]["since"]):
        known, disks = arrays[record.uuid], _disks_of(host, record)
        is_due = known["at"] or now - known["since"] >= limits.check_every_days * DAY_S
        if (
            not is_due
            or not is_redundant(record.level)
            or record.health != Health.OPTIMAL
            or record.sync
            or busy.intersection(disks)
        ):
            continue
        if not _resumes_at(host, record):
            _write(host, record, "md/sync_min", str(known["at"]))  # it was booted since
        _write(host, record, "md/sync_max", "max")  # as for a check that is asked for
        _set_speeds(host, record, (limits.check_min_kib_s, limits.check_max_kib_s))
        _act(host, record, SyncAction.CHECK)
        host.log(
            "checking %s%s" % (record.device, ", from where it was paused" if known["at"] else ""),
            syslog.LOG_NOTICE,
        )
        known["is_running"] = True
        busy.update(disks)


def _report_overdue(host, records, arrays, now, limits):
    """Have it told, once, of each array that has long not been checked, such as where the host is
    off in the hours for it.
    """
    limit_s = OVERDUE_PERIODS * limits.check_every_days * DAY_S
    for record in records:
        known = arrays[record.uuid]
        waited_s = now - known["since"]
        can_be = is_redundant(record.level) and record.health == Health.OPTIMAL and not record.sync
        if can_be and waited_s >= limit_s and not known.get("is_overdue_told"):
            meaning = OVERDUE % ((waited_s // DAY_S,) + limits.check_hours)
            spool.add_event(host, rules.OVERDUE, record.device, now, meaning=meaning)
            known["is_overdue_told"] = True


def _disks_of(host, record):
    return [_disk_of(host, member.device) for member in record.members if member.device]


def other_checker(host):
    """Return the path of what checks arrays on this host besides us, None if nothing does."""
    line = next(
        (
            line
            for line in (host.read_if_there(RAID_CHECK) or "").splitlines()
            if re.match(r"\s*[^#\s].*raid-check", line)
        ),
        None,
    )
    if line and re.search(
        r"^\s*ENABLED=[\"']?yes", host.read_if_there(RAID_CHECK_SWITCH) or "", re.MULTILINE
    ):
        return RAID_CHECK
    for folder in host.names(UNITS):
        for name in host.names("%s/%s" % (UNITS, folder)) if folder.endswith(".wants") else []:
            if name in TIMERS:
                return "%s/%s/%s" % (UNITS, folder, name)
    return None


def is_within(hours, hour):
    """Return whether an hour of the day is within (first, end); end may be on the next day."""
    first, end = hours
    return first <= hour < end if first < end else hour >= first or hour < end


def _schedule(host, limits):
    other = other_checker(host)
    if other:
        return "Arrays are checked by %s; xsraid leaves that to it." % other
    if not limits.check_every_days:
        return "No array is checked by itself ([check] every_days in %s is 0)." % config.PATH
    return "Each array is checked every %d days, between %d and %d o'clock." % (
        (limits.check_every_days,) + limits.check_hours
    )


def _is_checking(record):
    return bool(record.sync) and record.sync.action == SyncAction.CHECK


def _position(host, record):
    """Return how many sectors of each member have been compared."""
    done = (sysfs.attribute(host, sysfs.name_of(record.device), "md/sync_completed") or "").split(
        " / "
    )[0]
    return int(done) if done.isdigit() else 0


def _resumes_at(host, record):
    """Return the sector at which the kernel would go on with a check that was cut short, 0 for the
    beginning.
    """
    return sysfs.number(host, sysfs.name_of(record.device), "md/sync_min") or 0


def _set_speeds(host, record, speeds):
    """Set how fast an array is synchronised, (at least, at most) in KiB/s, or as all others are:
    system.
    """
    for path, speed in zip(SPEEDS, speeds):
        _write(host, record, path, str(speed))


def _act(host, record, action):
    """Have the kernel begin (check) or end (idle) it, and wait until it shows; a check of a small
    array may be over before it is seen.
    """
    mdadm.act(host, record.device, action)
    deadline = clock.monotonic_s() + SETTLE_S
    while (
        bool(md_state.find_array(host, record.uuid).sync) != (action == SyncAction.CHECK)
        and clock.monotonic_s() < deadline
    ):
        time.sleep(LOOK_S)


def _write(host, record, path, text):
    host.write_attribute("/sys/block/%s/%s" % (sysfs.name_of(record.device), path), text)
