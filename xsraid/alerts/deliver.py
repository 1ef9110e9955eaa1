"""Delivery of alerts: they are made of the events in the spool and of what has changed on the
arrays, and tried on each channel until it takes them.

`rules` decides what is worth an alert, `messages` words it, `channels` sends it.
xsraid-deliver.service runs this; the timer of that name starts it while something waits.
"""

from __future__ import absolute_import

import collections
import os
import syslog
import time
import traceback

from xsraid.alerts import by_xapi, channels, messages, rules, spool
from xsraid.disks import inventory, smart
from xsraid.errors import CommandFailed
from xsraid.host import clock, config, store, sysfs, workers
from xsraid.host.process import run
from xsraid.md import conf
from xsraid.md import state as md_state
from xsraid.text import native, printable
from xsraid.xapi import objects

TIMER = "xsraid-deliver.timer"
MONITOR_CONFIGURATION = "/run/xsraid/mdadm.conf"
HOOK = "/usr/libexec/xsraid/event-hook"
ADORN_LIMIT_S = 0.7  # what only adorns an alert keeps it waiting no longer
LOOK_S = 0.05
AGAIN_S = 2  # between two looks at the arrays while a channel is at work
FOLD_LOOK = 20  # of the last alerts


# What else is done whenever the arrays are looked at. look(host, records): what needs no XAPI;
# follow(host, session, records): what needs it; is_open(host, records): whether it needs another
# look. Each is None if there is nothing of its kind. records: of `md.state.read_arrays`.
FollowUp = collections.namedtuple("FollowUp", "look follow is_open")
FollowUp.__new__.__defaults__ = (None, None, None)


def deliver(host, follow_ups=()):
    """Make alerts of what the spool holds and deliver all that waits; stop the timer when nothing
    is left. follow_ups: FollowUps.

    Where another delivery is at work, that one does it.
    """
    spool.make_folders(host)
    limits = config.load_or_default(host)
    with spool.lock(host) as descriptor:
        if descriptor is not None:
            _Delivery(host, limits, descriptor, follow_ups).run()


class _Delivery(object):
    """One delivery: it makes alerts of what comes, and has each channel deliver in a process of its
    own, so that none waits for another's.

    Each alert is tried once on each channel. workers: {channel: process id}; tried: {channel: ids
    of alerts}.
    """

    def __init__(self, host, limits, lock_descriptor, follow_ups):
        self.host, self.limits, self.lock_descriptor, self.follow_ups = (
            host,
            limits,
            lock_descriptor,
            follow_ups,
        )
        self.follows = [follow_up.follow for follow_up in follow_ups if follow_up.follow]
        self.workers, self.tried, self.is_first = {}, {name: set() for name in channels.NAMES}, True

    def run(self):
        """Go on until nothing is at work and nothing has come."""
        spool.recover(self.host)
        looked_at = None
        while True:
            if (
                looked_at is None
                or spool.events(self.host)
                or clock.monotonic_s() - looked_at >= AGAIN_S
            ):
                records = _collect(self.host, self.limits)
                self._look(records)
                looked_at = clock.monotonic_s()
            self._finish()
            self._hand_out()
            if not self.workers and not spool.events(self.host) and self._is_done(records):
                return
            self._wait()

    def _hand_out(self):
        """Have each channel that is idle try what waits on it; each is asked once, as some have
        more to do than alerts.
        """
        waiting = spool.waiting(self.host)
        for name in channels.NAMES:
            new = {
                alert["id"] for alert in waiting if channels.is_waiting(alert, name)
            } - self.tried[name]
            if name not in self.workers and (
                new or self.is_first and self.follows and channels.CHANNELS[name].follow
            ):
                self.tried[name] |= new
                self.workers[name] = self._start(name, new)
        self.is_first = False

    def _start(self, name, ids):
        process = os.fork()
        if process == 0:
            try:
                os.close(self.lock_descriptor)
                channels.deliver(self.host, name, ids, self.limits, self.follows)
            except Exception:  # noqa: BLE001
                # Whatever it is, the other channels go on, and the timer has it tried again.
                self.host.log(
                    "delivery by %s: %s" % (name, printable(traceback.format_exc(), 2000)),
                    syslog.LOG_ERR,
                )
            finally:
                os._exit(0)
        return process

    def _wait(self):
        """Wait until a channel is done, something has come, or it is time to look at the arrays
        again.
        """
        deadline = clock.monotonic_s() + AGAIN_S
        while self.workers and clock.monotonic_s() < deadline:
            done = [
                name for name, process in self.workers.items() if os.waitpid(process, os.WNOHANG)[0]
            ]
            for name in done:
                del self.workers[name]
            if done or spool.events(self.host):
                return
            time.sleep(LOOK_S)

    def _finish(self):
        """Move what needs no channel any more to the history."""
        for alert in spool.waiting(self.host):
            if all(state["state"] != "waiting" for state in alert["channels"].values()):
                try:
                    spool.finish(self.host, alert)
                # It stays in the spool, delivered, until the history takes it.
                except CommandFailed as error:
                    self.host.log(str(error), syslog.LOG_WARNING)

    def _is_done(self, records):
        """Set the timer for what is left, and return whether that is all that can be done now."""
        host = self.host
        is_open = any(
            follow_up.is_open(host, records) for follow_up in self.follow_ups if follow_up.is_open
        )
        if (
            is_open
            or rules.needs_looking_after(spool.memory(host), self.limits.reminder_s)
            or not spool.is_empty(host)
        ):
            # What one progress event started alone has to be looked at again, too.
            go_on(host)
            return True
        _timer(host, "stop")
        if spool.is_empty(host):
            return True
        # Something came just now, and its own start of the timer may have come before our stop.
        go_on(host)
        return False

    def _look(self, records):
        for look in [follow_up.look for follow_up in self.follow_ups if follow_up.look]:
            try:
                look(self.host, records)
            except CommandFailed as error:
                self.host.log(str(error), syslog.LOG_WARNING)  # the array has just been stopped


def start(host):
    """Have what is in the spool delivered, and a look taken at the arrays, in the background."""
    _timer(host, "restart")


def go_on(host):
    """Have deliveries and looks go on, each after a longer pause, until nothing is open."""
    _timer(host, "start")


def _timer(host, verb):
    run(host, ["systemctl", "--no-block", verb, TIMER], 20, accept=None)


def _collect(host, limits):
    """Make alerts of new events and of what has changed on the arrays, and have them on disk;
    return the records of the arrays.
    """
    events = [rules.in_parts(event) for event in spool.events(host)]
    memory, now = spool.memory(host), time.time()
    records = md_state.read_arrays(host)
    there_now = inventory.inventory(host)
    by_node = {node: disk for disk in there_now for node in _nodes_of(host, disk)}
    there, serials = sorted(by_node), collections.Counter(disk.serial for disk in there_now)
    for record in records:
        record.described = [
            _described(by_node, serials, member) for member in record.members if member.device
        ]
        record.nodes, record.there = _names_of(host, record), there
        record.last_action = sysfs.attribute(
            host, sysfs.name_of(record.device), "md/last_sync_action"
        )
    found, memory_now, folded = rules.decide(events, records, memory, now, limits.reminder_s)
    if not events and not found and memory_now == memory:
        return records
    known, verdicts = _adornments(host, records, memory_now, found)
    by_uuid = {record.uuid: record for record in records}
    made = [
        _made(
            host,
            alert,
            by_uuid.get(alert["uuid"]),
            memory_now.get(alert["uuid"]),
            known,
            verdicts,
            now + place * 1e-6,
        )
        for place, alert in enumerate(found)
    ]  # their ids keep them in this order
    for alert in made:
        host.log(alert["short"], syslog.LOG_WARNING)
    _note_folded(host, folded, now)
    spool.commit(host, made, memory_now, events)
    return records


def _note_folded(host, folded, now):
    """Have the history show which events told no more than an alert shortly before them did."""
    for uuid, name in folded:
        alert = next(
            (alert for alert in spool.history(host, FOLD_LOOK) if alert["uuid"] == uuid), None
        )
        if alert and 0 <= now - alert["created"] < rules.FOLD_S and name not in alert["events"]:
            alert["events"].append(name)
            try:
                spool.amend(host, alert)
            except CommandFailed as error:
                # A full disk keeps no alert from being delivered.
                host.log(str(error), syslog.LOG_WARNING)


def _described(by_node, serials, member):
    """Return what will be told of a member when it can no longer be asked: a partition's disk is
    told of. path: what names it in a command.

    by_node: {node: record of the disk} of all disks and partitions; serials: how many disks have
    each serial number.
    """
    disk = by_node.get(member.device) or inventory.Disk()
    serial = member.serial or disk.serial
    is_unique = serials[serial] < 2
    return {
        "device": member.device,
        "slot": member.slot,
        "state": member.state,
        "serial": serial,
        "model": disk.model,
        "by_id": disk.by_id,
        "path": disk.by_id or (serial if is_unique else None),
    }


def _nodes_of(host, disk):
    """Return the nodes of a disk and its partitions."""
    return [disk.device] + [
        sysfs.node(name) for name in sysfs.partitions(host, sysfs.name_of(disk.device))
    ]


def _names_of(host, record):
    """Return all names that lead to an array: the monitor may call it by the one that its ARRAY
    line has.
    """
    number = sysfs.attribute(host, sysfs.name_of(record.device), "dev")
    return [record.device] + sysfs.udev_properties(host, number)["links"]


def _adornments(host, records, memory, found):
    """Return (what XAPI knows of this host and its SRs, {member: SMART's verdict}), for the words
    of alerts.

    What does not answer at once is left out, or is what was known when it last answered.
    """
    if not found:
        return {}, {}
    members = [_member_of(alert, memory.get(alert["uuid"])) for alert in found]
    devices = sorted({member["device"] for member in members if member})
    outcomes = workers.each(
        host,
        lambda item: smart.verdict(host, item) if item else _names(host, records),
        [None] + devices,
        ADORN_LIMIT_S,
    )
    known = outcomes[0].value
    verdicts = {device: outcome.value for device, outcome in zip(devices, outcomes[1:])}
    if known is None:
        return store.read(host, store.NAMES) or {}, verdicts
    try:
        store.write(host, store.NAMES, known)
    except CommandFailed as error:
        host.log(str(error), syslog.LOG_WARNING)  # a full disk keeps no alert from being delivered
    return known, verdicts


def _names(host, records):
    """Return what XAPI knows of this host and its SRs, None if it does not answer."""

    def ask(session):
        here = objects.this_host(host, session)
        pool = session.xenapi.pool.get_all()[0]
        md_state.name_srs(host, session, records)
        srs = {
            record.uuid: {
                "uuid": record.sr.uuid,
                "name_label": record.sr.name_label,
                "vm_count": objects.vm_count(session, record.sr.uuid),
            }
            for record in records
            if record.sr
        }
        return {
            "host": session.xenapi.host.get_name_label(here),
            "host_uuid": session.xenapi.host.get_uuid(here),
            "pool": session.xenapi.pool.get_name_label(pool) or None,
            "srs": srs,
        }

    with by_xapi.opened(host) as way:
        return way.ask(ask)


def _member_of(alert, known_array):
    """Return what is remembered of the member that an alert is about, None if it is about none."""
    members = known_array["members"] if known_array else []
    return next((member for member in members if member["device"] == alert["component"]), None)


def _made(host, alert, record, known_array, known, verdicts, now):
    """Return an alert with its words and the state of its channels."""
    member = _member_of(alert, known_array)
    sr = known.get("srs", {}).get(alert["uuid"])
    facts = {
        "host": " ".join(printable(native(known.get("host") or os.uname()[1])).split()),
        "host_uuid": known.get("host_uuid"),
        "pool": known.get("pool"),
        "record": record,
        "member": member,
        "absent": (known_array or {}).get("absent"),
        "sr": sr,
        "vm_count": (sr or {}).get("vm_count"),
        "smart": verdicts.get(alert["component"]),
        "mdstat": messages.mdstat_lines(host.read_if_there("/proc/mdstat") or "", alert["device"]),
    }
    return channels.with_channels(
        dict(
            alert,
            id=spool.new_id(now),
            created=now,
            priority=rules.PRIORITIES[alert["name"]],
            subject=messages.subject(alert, facts),
            body=messages.body(alert, facts),
            short=messages.short(alert, facts),
            sr=sr["uuid"] if sr else None,
            host=facts["host"],
            host_uuid=facts["host_uuid"],
            pool=facts["pool"],
        ),
        channels.wanted(host),
    )


def prepare_monitor(host):
    """Write the configuration that mdadm's monitor runs with: all that mdadm reads, without mail,
    the hook as PROGRAM; look at the arrays.

    Where a file of it cannot be read the monitor runs without any of its lines: it watches what
    runs, and misses no spare.
    """
    try:
        configuration = md_state.read_configuration(host).merged()
    except EnvironmentError as error:
        host.log("mdadm's monitor runs without /etc/mdadm.conf: %s" % error, syslog.LOG_ERR)
        configuration = conf.Configuration("", path=md_state.CONFIGURATION)
    for keyword in ("MAILADDR", "MAILFROM", "PROGRAM"):
        configuration.remove_words(keyword)
    configuration.set_word("PROGRAM", HOOK)
    spool.make_folders(host)
    host.replace(MONITOR_CONFIGURATION, configuration.text(), 0o600)
    start(host)
