"""systemd's door: each unit of the RPM calls `main` with a word for its job. What a job consists of
is put together here.
"""

from __future__ import absolute_import

import syslog
import time

import XenAPI

from xsraid.actions import arrays, assemble, check, growth, initrd, parts, rollback
from xsraid.alerts import deliver, monitor, rules, spool, xo_alarms
from xsraid.alerts import settings as alert_settings
from xsraid.errors import Busy, XsraidError
from xsraid.host import clock, config, store, sysfs
from xsraid.host.files import Host
from xsraid.host.process import run
from xsraid.md import examine, resync, superblocks
from xsraid.md import state as md_state
from xsraid.states import Health, MemberState
from xsraid.text import printable
from xsraid.xapi import objects, tasks

FAILURES = (XsraidError, XenAPI.Failure, EnvironmentError)
XAPI_WAIT_S = 60
LOOK_S = 1
DAY_S = 24 * 3600
PLUG_LIMIT_S, PLUGS_AT_ONCE = 300, 4
ATTACH = "xsraid-attach.service"


def main(arguments):
    """Do what a unit asks for, one of the words below; return the exit status."""
    host = Host()
    try:
        {
            "assemble": assemble.assemble,
            "attach": attach_locally,
            "initrd": initrd.make,
            "monitor": deliver.prepare_monitor,
            "deliver": deliver_and_follow,
            "settings": settings_locally,
            "care": look_after,
            "late": see_to_late_members,
            "note": note_before_shutdown,
        }[" ".join(arguments)](host)
    except FAILURES as error:
        host.log("at boot: %s" % error, syslog.LOG_ERR)
        return 1
    return 0


def _is_unattached(host, records):
    """Return whether the SRs on arrays are still to be plugged after this boot."""
    return bool(records) and "conflicts" in (store.read(host, store.BOOT) or {})


def _attach_again(host, records):
    """Have the unit that attaches try again where it has ended without that, as where xapi could
    not reach its master; in the background, as plugging takes long.
    """
    if _is_unattached(host, records):
        state = run(host, ["systemctl", "is-active", ATTACH], accept=None).out.strip()
        if state in ("active", "failed"):
            run(host, ["systemctl", "--no-block", "restart", ATTACH])


# What each delivery of alerts does besides: full speed for an array whose check has ended, Xen
# Orchestra's alarms, tasks for what runs on the arrays, the room that a reshape has made, offered
# to the SR, and the SRs that could not be plugged at boot.
FOLLOW_UPS = (
    deliver.FollowUp(look=check.free_speed),
    deliver.FollowUp(look=_attach_again, is_open=_is_unattached),
    deliver.FollowUp(follow=xo_alarms.follow, is_open=xo_alarms.is_open),
    deliver.FollowUp(follow=tasks.follow, is_open=tasks.is_open),
    deliver.FollowUp(follow=growth.follow, is_open=growth.is_open),
)


def deliver_and_follow(host):
    """Deliver alerts, and do what is done besides whenever the arrays are looked at; last, as it
    delays no alert then, have noted what the arrays run from.
    """
    deliver.deliver(host, FOLLOW_UPS)
    records = md_state.read_arrays(host)
    for act in (parts.have_noted, _let_spares_in, resync.repair_parity, check.note_ends):
        try:
            act(host, records)
        except XsraidError as error:
            host.log(str(error), syslog.LOG_WARNING)  # the next look, within an hour, does it


def _let_spares_in(host, records):
    """Have arrays begin their repair that lack a member, have a spare, and would wait for their
    first write: md begins nothing before.

    What is no spare by its own superblock may be a fresher part, which is for `_late_members`.
    """
    apart = set(store.read(host, store.DIVERGED) or {})
    apart.update((store.read(host, store.BOOT) or {}).get("conflicts", {}))
    for record in records:
        spares = [member.device for member in record.members if member.state == MemberState.SPARE]
        may_wait = record.configured and record.uuid not in apart and md_state.lacks_member(record)
        if not (spares and may_wait and md_state.is_untouched(host, record)):
            continue
        read, unread = examine.superblocks_of(host, spares)
        are_spares = all(block is not None and block.slot is None for block in read.values())
        if are_spares and not unread:
            resync.wake(host, record)


def look_after(host):
    """Do what is due this hour, and have what it found told."""
    check.look_after(host)
    try:
        see_to_late_members(host)
    except FAILURES as error:
        host.log("late members: %s" % error, syslog.LOG_WARNING)
    _look_after_the_monitor(host)
    deliver.start(host)  # which looks at the arrays, whoever else does


def _look_after_the_monitor(host):
    """Start mdadm's monitor where there is an array to watch and it does not run; have it told of
    once when it cannot run, and when it can again.
    """
    if not alert_settings.is_watchable(md_state.read_arrays(host)) or not store.read(
        host, store.ALERTS
    ):
        return
    try:
        monitor.ensure_running(host)
        is_down = monitor.state(host) != "running"
    except XsraidError as error:
        host.log("mdadm's monitor: %s" % error, syslog.LOG_ERR)
        is_down = True
    if is_down != bool(store.read(host, store.MONITOR_DOWN)):
        event = "MonitorDown" if is_down else "MonitorBack"
        spool.add_event(host, event, monitor.SERVICE, time.time())
        if is_down:
            store.write(host, store.MONITOR_DOWN, {"time": int(time.time())})
        else:
            store.remove(host, store.MONITOR_DOWN)


def see_to_late_members(host):
    """See to members that have come since the boot, see `_late_members`; have what is wrong told,
    and note what arrays run from. Raises Busy.
    """
    config.load_or_default(host)
    deadline = clock.monotonic_s() + XAPI_WAIT_S
    while True:
        try:
            with host.lock("looking at members that came late", is_brief=True):
                sentences, conflicts, started = _late_members(host)
                if started:
                    # Where its SR cannot be plugged now, deliveries have that tried again.
                    facts = store.read(host, store.BOOT) or {}
                    store.write(host, store.BOOT, dict({"conflicts": {}}, **facts))
            break
        except Busy:
            if clock.monotonic_s() > deadline:
                raise
        time.sleep(LOOK_S)
    for sentence in sentences:
        host.log("late: " + sentence, syslog.LOG_WARNING)
    _report_conflicts(host, conflicts)
    parts.note(host, md_state.read_arrays(host))
    if spool.events(host):
        deliver.start(host)
    if started:
        attach_locally(host)


def note_before_shutdown(host):
    """Note what a boot would forget: what the arrays run from, and what checks have found."""
    config.load_or_default(host)
    records = md_state.read_arrays(host)
    parts.note(host, records)
    check.note_ends(host, records)


def _late_members(host):
    """Take in members that are as fresh as their array was before it ran without them; start arrays
    that were not started without members that have come. Return (what was done, {uuid: sentences on
    a conflict}, uuids of those started).

    A member that may hold what the array lacks is left alone: that is a conflict.
    """
    facts = store.read(host, store.BOOT) or {}
    before = facts.get("before", {})
    before = {uuid: list(map(superblocks.unpacked, blocks)) for uuid, blocks in before.items()}
    boot = assemble.Boot(host)
    boot.part_joined()
    awaited, chosen = facts.get("awaited", {}), facts.get("chosen", [])
    is_reported = "conflicts" not in facts  # which the first `attach` of a boot takes out
    reported = chosen + list(awaited if is_reported else [])
    started, still_chosen = boot.start_awaited(awaited, reported)
    before.update(started)
    if started or (boot.awaited, still_chosen) != (awaited, chosen):
        kept = {uuid: list(map(superblocks.packed, blocks)) for uuid, blocks in before.items()}
        facts.update(awaited=boot.awaited, before=kept, chosen=still_chosen)
        store.write(host, store.BOOT, facts)
    new = {uuid: why for uuid, why in boot.awaited.items() if uuid not in awaited}
    sentences, conflicts = boot.did, dict(new, **boot.conflicts)
    records = assemble.lacking(host)
    for record, free in zip(records, assemble.examine_free(host, records)):
        read, _ = examine.superblocks_of(host, md_state.active_members(record))
        ours = [block for block in read.values() if block]
        apart, _ = free.apart(ours, before.get(record.uuid, []), sysfs.boot_time(host))
        if apart:
            conflicts[record.uuid] = assemble.conflict(host, record.uuid, ours, apart)
        sentences += free.unread
    late = [
        record for record in records if before.get(record.uuid) and record.uuid not in conflicts
    ]
    sentences += assemble.tried_together(
        host,
        lambda record: "taking in late members of " + record.device,
        lambda record: assemble.take_in(host, record, before[record.uuid]),
        late,
        3 * host.command_limit_s,
    )[0]
    return sentences, conflicts, started


def attach_locally(host):
    """`attach` on a session of its own; if that fails, the deliveries of alerts try again."""
    try:
        _locally(host, attach)
    except FAILURES:
        deliver.go_on(host)
        raise


def settings_locally(host):
    """Apply the alert settings that XAPI keeps where they are not those that this host has, on a
    session of its own.
    """
    _locally(host, _apply_settings)


def _locally(host, act):
    """Call act(host, session), again while xapi is being restarted, cannot reach the pool's master,
    or another call changes this host.
    """
    deadline, logged = clock.monotonic_s() + XAPI_WAIT_S, None
    while True:
        try:
            _once(host, act)
            return
        # No socket, or nobody behind it; what xapi says while its master is away has many names.
        except (EnvironmentError, XenAPI.Failure, Busy) as error:
            if clock.monotonic_s() > deadline:
                raise
            reason = "%s" % error
            if reason != logged:
                host.log("at boot: not yet: " + printable(reason))
            logged = reason
        time.sleep(LOOK_S)


def _once(host, act):
    session = XenAPI.xapi_local()
    session.xenapi.login_with_password("root", "", "1.0", "xsraid")
    try:
        act(host, session)
    finally:
        session.xenapi.session.logout()


def _apply_settings(host, session):
    if not alert_settings.is_restorable(host, session):
        return  # without the lock, which a call may need right now
    config.load_or_default(host)
    with rollback.changing(host, "applying the alert settings", session):
        for sentence in alert_settings.restore(host, session):
            host.log(sentence, syslog.LOG_WARNING)


def attach(host, session):
    """Plug the SRs that xapi could not plug, take in late members, apply alert settings that an
    upgrade of dom0 dropped, tell what is wrong.

    An array that runs from a part that is not the freshest one there gets nothing added, and its SR
    is not plugged. Raises Busy and what XAPI raises.
    """
    config.load_or_default(host)
    with rollback.changing(host, "attaching storage repositories", session):
        did, conflicts, _ = _late_members(host)
        facts = store.read(host, store.BOOT) or {}
        waiting = dict(facts.get("conflicts", {}), **facts.get("awaited", {}))
        conflicts = dict(waiting, **conflicts)
        did += assemble.tried("plugging", _plug, host, session, conflicts)
        did += assemble.tried("applying the alert settings", alert_settings.restore, host, session)
        for sentence in did:
            host.log("at boot: " + sentence, syslog.LOG_WARNING)
        _report_nodes(host, dict(facts.get("left", [])))
        _report_conflicts(host, conflicts)
        if facts:
            # For members that come later still.
            lasting = ("before", "awaited", "chosen")
            store.write(host, store.BOOT, {key: facts[key] for key in lasting if key in facts})
    deliver.start(host)


def _plug(host, session, conflicts):
    """Plug the PBDs of this host whose SRs are on arrays and which xapi could not plug; return what
    was done. conflicts: {uuid: why not}.
    """
    did, unplugged = [], []
    records = {
        record.uuid: record
        for record in md_state.read_arrays(host)
        if record.health not in Health.NOT_THERE
    }
    for pbd in objects.local_pbds(host, session):
        record = records.get(session.xenapi.SR.get_other_config(pbd["SR"]).get(objects.ARRAY_TAG))
        if record is not None:
            did += assemble.tried("keeping its node", arrays.adopt_line, host, record)
        if record is not None and not pbd["currently_attached"]:
            name = objects.sr_summary(session, pbd["SR"]).name_label
            if record.uuid in conflicts:
                did.append(
                    "the storage repository %s was not plugged: %s" % (name, conflicts[record.uuid])
                )
            else:
                unplugged.append((pbd, name))
    sentences, _ = assemble.tried_together(
        host,
        lambda item: "plugging the storage repository " + item[1],
        lambda item: _plug_one(host, *item),
        unplugged,
        PLUG_LIMIT_S,
        PLUGS_AT_ONCE,
    )
    return did + sentences


def _plug_one(host, pbd, name):
    """Plug a PBD on a session of this process's own; return what was done."""
    _once(host, lambda _, session: session.xenapi.PBD.plug(pbd["ref"]))
    return ["plugged the storage repository " + name]


def _report_nodes(host, left):
    """Have arrays told of that have another node than they should: {uuid: sentence}. Those that are
    not whole delivery sees by itself.
    """
    for record in md_state.read_arrays(host):
        if record.configured and record.uuid in left:
            meaning = left[record.uuid] + "."
            spool.add_event(host, rules.MISPLACED, record.device, time.time(), meaning=meaning)


def _report_conflicts(host, conflicts):
    """Have arrays told of that are in two versions, each once in a boot and once a day: {uuid:
    sentences}.
    """
    reported, now = store.read(host, store.DIVERGED) or {}, time.time()
    boot_id = sysfs.boot_id(host)
    known = {}
    for record in md_state.read_arrays(host):
        uuid = record.uuid
        if record.configured and uuid in conflicts:
            before = reported.get(uuid, {})
            is_reported = before.get("boot") == boot_id and 0 <= now - before.get("time", 0) < DAY_S
            if not is_reported:
                spool.add_event(host, rules.DIVERGED, record.device, now, meaning=conflicts[uuid])
            known[uuid] = before if is_reported else {"boot": boot_id, "time": now}
        elif uuid in reported and record.health in Health.NOT_THERE:
            known[uuid] = reported[uuid]  # it was stopped, as its parts are in conflict
    if known != reported:
        store.write(host, store.DIVERGED, known)
