"""Delivering alerts: each by mail and as a message of XAPI, tried until it is taken. What is worth an alert is for `sense`, its words for `words`.

Run by xsraid-deliver.service, which the timer of that name starts while something waits.
"""

from __future__ import absolute_import

import os
import socket
import syslog
import time

import XenAPI

from xsraid import alerts, disks, mail, md, notes, sense, settings, smart, spool, words, xapi
from xsraid.commands import run
from xsraid.errors import CommandFailed
from xsraid.text import native, printable

TIMER = "xsraid-deliver.timer"
MONITOR_CONFIGURATION = "/run/xsraid/mdadm.conf"
HOOK = "/usr/libexec/xsraid/event-hook"
XAPI_LIMIT_S = 5  # a xapi that hangs must not hold up the mail
GIVE_UP_S = 7 * 24 * 3600
GIVE_UP_TRIES = 20  # so a clock that jumps ahead gives up nothing
GIVEN_UP = "XSRAID_ALERT_UNDELIVERED"
CHANNELS = ("mail", "xapi")


def deliver(host):
    """Make alerts of what the spool holds and deliver all that waits; stop the timer when nothing is left.

    Where another delivery is at work that does it.
    """
    spool.make_folders(host)
    limits = settings.load_or_default(host)
    with spool.lock(host) as is_ours:
        if is_ours:
            with _Xapi(host) as session:
                _deliver_all(host, session, limits)


def _deliver_all(host, session, limits):
    spool.recover(host)
    while True:
        _collect(host, session, limits)
        for alert in sorted(spool.waiting(host), key=lambda alert: (max(_tries(alert)), alert["id"])):
            _deliver(host, session, alert, limits)
        if not spool.events(host):
            break
    if spool.is_empty(host) and not sense.needs_looking_after(spool.memory(host), limits.reminder_s):
        _timer(host, "stop")
        if not spool.is_empty(host):  # it came just now, and its start of the timer may have come before our stop
            _timer(host, "start")


def start(host):
    """Have what is in the spool delivered, and a look taken at the arrays, in the background."""
    _timer(host, "restart")


def _timer(host, verb):
    run(host, ["systemctl", "--no-block", verb, TIMER], 20, accept=None)


class _Xapi(object):
    """A local session that is there or not: `session` is None while xapi does not answer, and then stays so for this delivery."""

    def __init__(self, host):
        self.host, self.session = host, None

    def __enter__(self):
        socket.setdefaulttimeout(XAPI_LIMIT_S)
        try:
            session = XenAPI.xapi_local()
            session.xenapi.login_with_password("root", "", "1.0", "xsraid")
            self.session = session
        except Exception as error:  # noqa: BLE001 - whatever xapi's trouble is, the mail goes out and the message is tried again
            self.host.log("xapi does not answer: %s" % error)
        return self

    def ask(self, act, otherwise=None):
        """Return act(session), or `otherwise` while xapi does not answer."""
        if self.session is None:
            return otherwise
        try:
            return act(self.session)
        except XenAPI.Failure as error:
            self.host.log("xapi refuses: %s" % " ".join(error.details))
        except Exception as error:  # noqa: BLE001 - as above
            self.host.log("xapi stopped answering: %s" % error)
            self.session = None
        return otherwise

    def __exit__(self, *_):
        self.ask(lambda session: session.xenapi.session.logout())


def _collect(host, session, limits):
    """Make alerts of new events and of what has changed on the arrays, and have them on disk."""
    events, memory, now = spool.events(host), spool.memory(host), time.time()
    records = md.read_arrays(host)
    inventory = disks.inventory(host)
    for record in records:
        record["described"] = [_described(inventory, member) for member in record["members"] if member["device"]]
    found, memory_now = sense.decide(events, records, memory, now, limits.reminder_s)
    if not events and not found and memory_now == memory:
        return
    known = _known(host, session, records) if found else {}
    by_uuid = {record["uuid"]: record for record in records}
    made = [_made(host, alert, by_uuid.get(alert["uuid"]), memory_now.get(alert["uuid"]), known, now + place * 1e-6)
            for place, alert in enumerate(found)]  # their ids keep them in this order
    for alert in made:
        host.log(alert["short"], syslog.LOG_WARNING)
    spool.commit(host, made, memory_now, events)


def _described(inventory, member):
    """Return what will be told of a member when it can no longer be asked: a partition's disk is told of."""
    disk = max([disk for disk in inventory if member["device"].startswith(disk["device"])] or [{}], key=lambda disk: len(disk.get("device", "")))
    return {"device": member["device"], "slot": member["slot"], "serial": member["serial"] or disk.get("serial"), "model": disk.get("model"),
            "by_id": disk.get("by_id")}


def _known(host, session, records):
    """Return what XAPI knows of this host and its SRs; what it knew when it last answered where it does not."""
    def ask(session):
        here = xapi.this_host(host, session)
        pool = session.xenapi.pool.get_all()[0]
        md.name_srs(host, session, records)
        srs = {record["uuid"]: dict(record["sr"], vm_count=xapi.vm_count(session, record["sr"]["uuid"])) for record in records if record["sr"]}
        return {"host": session.xenapi.host.get_name_label(here), "host_uuid": session.xenapi.host.get_uuid(here),
                "pool": session.xenapi.pool.get_name_label(pool) or None, "srs": srs}
    found = session.ask(ask)
    if found is None:
        return notes.read(host, "names") or {}
    try:
        notes.write(host, "names", found)
    except CommandFailed as error:
        host.log(str(error), syslog.LOG_WARNING)  # a full disk keeps no alert from being delivered
    return found


def _made(host, alert, record, known_array, known, now):
    """Return an alert with its words and the state of its channels."""
    members = known_array["members"] if known_array else []
    member = next((member for member in members if member["device"] == alert["component"]), None)
    sr = known.get("srs", {}).get(alert["uuid"])
    facts = {"host": " ".join(printable(native(known.get("host") or os.uname()[1])).split()), "host_uuid": known.get("host_uuid"),
             "pool": known.get("pool"), "record": record, "member": member, "sr": sr, "vm_count": sr["vm_count"] if sr else None,
             "smart": smart.verdict(host, member["device"]) if member else None,
             "mdstat": words.mdstat_lines(host.read_if_there("/proc/mdstat") or "", alert["device"])}
    if alert["name"] == "XSRAID_ARRAY_MISPLACED":
        alert = dict(alert, meaning=alert["component"], component=None)
    return _with_channels(dict(alert, id=spool.new_id(now), created=now, priority=sense.PRIORITIES[alert["name"]],
                               subject=words.subject(alert, facts), body=words.body(alert, facts), short=words.short(alert, facts),
                               sr=sr["uuid"] if sr else None), CHANNELS)


def _with_channels(alert, channels):
    alert["channels"] = {channel: {"state": "waiting", "tries": 0, "response": "", "advice": "", "seconds": 0, "time": None} for channel in channels}
    return alert


def _tries(alert):
    return [channel["tries"] for channel in alert["channels"].values()]


def _deliver(host, session, alert, limits):
    """Try each channel on which an alert still waits; note what was answered after each."""
    for name, send in (("xapi", _by_xapi), ("mail", _by_mail)):
        channel = alert["channels"].get(name)
        if channel is None or channel["state"] != "waiting":
            continue
        started = time.time()
        state, answer = send(host, session, alert, limits)
        if state is None:
            continue
        is_late = time.time() - alert["created"] > GIVE_UP_S and channel["tries"] >= GIVE_UP_TRIES
        if state == "waiting" and (is_late or alert["name"] == "XSRAID_TEST"):
            state = "given up"
        channel.update(state=state, tries=channel["tries"] + 1, response=printable(answer.response, 500), advice=answer.advice,
                       seconds=round(time.time() - started, 2), time=time.time())
        if state == "given up" and alert["name"] not in ("XSRAID_TEST", GIVEN_UP):
            spool.keep(host, _given_up(alert, name, answer))
        spool.keep(host, alert)
    if all(channel["state"] != "waiting" for channel in alert["channels"].values()):
        try:
            spool.finish(host, alert)
        except CommandFailed as error:  # it stays in the spool, delivered, until the history takes it
            host.log(str(error), syslog.LOG_WARNING)


def _given_up(alert, name, answer):
    """Return the alert, for the other channel alone, that this one was given up."""
    why = printable(answer.response, 300)
    sentence = "The alert '%s' could not be delivered by %s for a week and was given up: %s" % (alert["subject"], name, why)
    other = [channel for channel in CHANNELS if channel != name]
    return _with_channels(dict(alert, name=GIVEN_UP, priority=2, id=spool.new_id(time.time()), created=time.time(), short=sentence,
                               subject="[xsraid] %s: no %s" % (GIVEN_UP, name), body=sentence + "\n\n" + alert["body"]), other)


def _by_xapi(host, session, alert, limits):
    """Return (state, Answer); (None, None) when it was not tried."""
    def post(session):
        here = xapi.this_host(host, session)
        if not alerts.wants_messages(session, here):
            return "off", mail.Answer(False, "xapi_messages=false", "")
        kind, uuid = ("SR", alert["sr"]) if alert["sr"] else ("Host", session.xenapi.host.get_uuid(here))
        try:
            message = session.xenapi.message.create(alert["name"], str(alert["priority"]), kind, uuid, alert["short"])
        except XenAPI.Failure as error:
            return "waiting", mail.Answer(False, " ".join(error.details), "XAPI refuses the message: see its log, /var/log/xensource.log.")
        return "accepted", mail.Answer(True, "message %s" % session.xenapi.message.get_record(message)["uuid"], "")
    was_there = session.session is not None
    gone = mail.Answer(False, "xapi does not answer", "Is xapi running? `systemctl status xapi` tells.")
    return session.ask(post, ("waiting", gone)) if was_there else ("waiting", gone)


def _by_mail(host, session, alert, limits):
    mail_to = md.read_configuration(host).first("MAILADDR")
    if mail_to is None or not mail.directives(host.read_if_there(mail.CONFIGURATION) or "").get("mailhub"):
        return "off", mail.Answer(False, "no mail server is configured", "Call configure_alerts.")
    recipients = mail_to.split(",")
    sender = md.read_configuration(host).first("MAILFROM") or recipients[0]
    message = mail.compose(sender, recipients, alert["subject"], alert["body"], alert["time"], alert["id"], alert["uuid"])
    answer = mail.send(host, message, limits.smtp_timeout_s)
    return ("accepted" if answer.accepted else "waiting"), answer


def prepare_monitor(host):
    """Write the configuration that mdadm's monitor runs with: /etc/mdadm.conf without mail, the hook as PROGRAM; look at the arrays."""
    configuration = md.read_configuration(host)
    for keyword in ("MAILADDR", "MAILFROM", "PROGRAM"):
        configuration.remove_words(keyword)
    spool.make_folders(host)
    host.replace(MONITOR_CONFIGURATION, configuration.text() + "PROGRAM %s\n" % HOOK, 0o600)
    start(host)
