"""Delivering alerts: each by mail and as a message of XAPI, tried until it is taken. What is worth an alert is for `sense`, its words for `words`.

Run by xsraid-deliver.service, which the timer of that name starts while something waits.
"""

from __future__ import absolute_import

import os
import socket
import syslog
import time

import XenAPI

from xsraid import alerts, care, disks, growth, mail, md, notes, progress, sense, settings, smart, spool, sysfs, words, xapi
from xsraid.commands import run
from xsraid.errors import CommandFailed
from xsraid.text import PYTHON_2, native, printable

if PYTHON_2:
    import xmlrpclib
else:
    import xmlrpc.client as xmlrpclib

TIMER = "xsraid-deliver.timer"
MONITOR_CONFIGURATION = "/run/xsraid/mdadm.conf"
HOOK = "/usr/libexec/xsraid/event-hook"
XAPI_LIMIT_S = 5  # a xapi that hangs must not hold up the mail
GIVE_UP_S = 7 * 24 * 3600
GIVE_UP_TRIES = 20  # so a clock that jumps ahead gives up nothing
GIVEN_UP = "XSRAID_ALERT_UNDELIVERED"
CHANNELS = ("mail", "xapi")
FOLD_LOOK = 20  # of the last alerts
MESSAGE = "message "  # what XAPI's answer is noted as begins with this, the message's uuid follows
FIRST_TRY_S = 2
CLOCKS_APART_S = 3600  # a message has the time of the pool's master


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
    """Tell XAPI of all that waits, then mail one after the other; what comes meanwhile goes to XAPI before the next mail.

    Each alert is tried once on each channel. Where the mail server is out of order no other mail is tried: a time limit for each would add up.
    """
    spool.recover(host)
    tried, outage = set(), None
    while True:
        records = _collect(host, session, limits)
        for alert in _untried(host, "xapi", tried):
            _try(host, session, alert, "xapi", limits)
        _follow(host, session, records)
        mails = _untried(host, "mail", tried, 1)
        for alert in mails:
            outage = _try(host, session, alert, "mail", limits, outage)
        if not mails and not spool.events(host):
            is_needed = sense.needs_looking_after(spool.memory(host), limits.reminder_s) or progress.is_open(host)
            if is_needed or growth.is_open(host, records) or not spool.is_empty(host):
                _timer(host, "start")  # what one progress event started alone has to be looked at again, too
                return
            _timer(host, "stop")
            if spool.is_empty(host):
                return
            _timer(host, "start")  # something came just now, and its own start of the timer may have come before our stop


def _follow(host, session, records):
    try:
        care.free_speed(host, records)
    except CommandFailed as error:
        host.log(str(error), syslog.LOG_WARNING)  # the array has just been stopped
    session.ask(lambda to: progress.follow(host, to, records))
    session.ask(lambda to: growth.follow(host, to, records))


def _untried(host, name, tried, count=None):
    """Return the alerts, or so many of them, that wait on a channel and have not been tried there yet; from now on they have."""
    waiting = [alert for alert in sorted(spool.waiting(host), key=lambda alert: (max(_tries(alert)), alert["id"]))
               if alert["channels"].get(name, {}).get("state") == "waiting" and (alert["id"], name) not in tried][:count]
    tried.update((alert["id"], name) for alert in waiting)
    return waiting


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
    """Make alerts of new events and of what has changed on the arrays, and have them on disk; return the records of the arrays."""
    events, memory, now = spool.events(host), spool.memory(host), time.time()
    records = md.read_arrays(host)
    inventory = disks.inventory(host)
    for record in records:
        record["described"] = [_described(inventory, member) for member in record["members"] if member["device"]]
        record["last_action"] = sysfs.attribute(host, sysfs.name_of(record["device"]), "md/last_sync_action")
    found, memory_now, folded = sense.decide(events, records, memory, now, limits.reminder_s)
    if not events and not found and memory_now == memory:
        return records
    known = _known(host, session, records) if found else {}
    by_uuid = {record["uuid"]: record for record in records}
    made = [_made(host, alert, by_uuid.get(alert["uuid"]), memory_now.get(alert["uuid"]), known, now + place * 1e-6)
            for place, alert in enumerate(found)]  # their ids keep them in this order
    for alert in made:
        host.log(alert["short"], syslog.LOG_WARNING)
    _note_folded(host, folded, now)
    spool.commit(host, made, memory_now, events)
    return records


def _note_folded(host, folded, now):
    """Have the history show which events told no more than an alert shortly before them did."""
    for uuid, name in folded:
        alert = next((alert for alert in spool.history(host, FOLD_LOOK) if alert["uuid"] == uuid), None)
        if alert and 0 <= now - alert["created"] < sense.FOLD_S and name not in alert["events"]:
            alert["events"].append(name)
            try:
                spool.amend(host, alert)
            except CommandFailed as error:
                host.log(str(error), syslog.LOG_WARNING)  # a full disk keeps no alert from being delivered


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
    return _with_channels(dict(alert, id=spool.new_id(now), created=now, priority=sense.PRIORITIES[alert["name"]],
                               subject=words.subject(alert, facts), body=words.body(alert, facts), short=words.short(alert, facts),
                               sr=sr["uuid"] if sr else None), CHANNELS)


def _with_channels(alert, channels):
    alert["channels"] = {channel: {"state": "waiting", "tries": 0, "response": "", "advice": "", "seconds": 0, "time": None} for channel in channels}
    return alert


def _tries(alert):
    return [channel["tries"] for channel in alert["channels"].values()]


def _try(host, session, alert, name, limits, outage=None):
    """Try one channel and note what was answered; return the Answer of a mail server that is out of order, None of any other.

    outage: such an Answer that an alert before this one got. It is this one's, too, but counts as no try, unless nobody will try it again.
    """
    channel, started, is_test = alert["channels"][name], time.time(), alert["name"] == "XSRAID_TEST"
    if outage is not None and not is_test:
        return outage
    state, answer = ("waiting", outage) if outage else SENDERS[name](host, session, alert, limits)
    is_late = time.time() - alert["created"] > GIVE_UP_S and channel["tries"] >= GIVE_UP_TRIES
    is_over = state == "waiting" and (is_late or is_test)
    channel.update(state="given up" if is_over else state, tries=channel["tries"] + 1, response=printable(answer.response, 500),
                   advice=answer.advice, seconds=round(time.time() - started, 2), time=time.time())
    if is_over and not is_test and alert["name"] != GIVEN_UP:
        spool.keep(host, _given_up(alert, name, answer))
    spool.keep(host, alert)
    if all(one["state"] != "waiting" for one in alert["channels"].values()):
        try:
            spool.finish(host, alert)
        except CommandFailed as error:  # it stays in the spool, delivered, until the history takes it
            host.log(str(error), syslog.LOG_WARNING)
    return answer if name == "mail" and state == "waiting" and not mail.is_about_this_mail(answer) else None


def _given_up(alert, name, answer):
    """Return the alert, for the other channel alone, that this one was given up."""
    why = printable(answer.response, 300)
    sentence = "The alert '%s' could not be delivered by %s for a week and was given up: %s" % (alert["subject"], name, why)
    other = [channel for channel in CHANNELS if channel != name]
    return _with_channels(dict(alert, name=GIVEN_UP, priority=2, id=spool.new_id(time.time()), created=time.time(), short=sentence,
                               subject="[xsraid] %s: no %s" % (GIVEN_UP, name), body=sentence + "\n\n" + alert["body"]), other)


def _by_xapi(host, session, alert, limits):
    """Return (state, Answer)."""
    def post(session):
        here = xapi.this_host(host, session)
        if not alerts.wants_messages(session, here):
            return "off", mail.Answer(False, "xapi_messages=false", "")
        kind, uuid = ("SR", alert["sr"]) if alert["sr"] else ("Host", session.xenapi.host.get_uuid(here))
        try:
            message = _posted_before(host, session, alert, kind, uuid)
            if message is None:
                ref = session.xenapi.message.create(alert["name"], str(alert["priority"]), kind, uuid, alert["short"])
                message = session.xenapi.message.get_record(ref)["uuid"]
        except XenAPI.Failure as error:
            return "waiting", mail.Answer(False, " ".join(error.details), "XAPI refuses the message: see its log, /var/log/xensource.log.")
        return "accepted", mail.Answer(True, MESSAGE + message, "")
    was_there = session.session is not None
    gone = mail.Answer(False, "xapi does not answer", "Is xapi running? `systemctl status xapi` tells.")
    return session.ask(post, ("waiting", gone)) if was_there else ("waiting", gone)


def _posted_before(host, session, alert, kind, uuid):
    """Return the uuid of the message that an earlier try made of an alert without hearing of it, None where it is the first or made none."""
    if not alert["channels"]["xapi"]["tries"] and time.time() - alert["created"] < FIRST_TRY_S:
        return None
    since = xmlrpclib.DateTime(time.strftime("%Y%m%dT%H:%M:%SZ", time.gmtime(alert["created"] - CLOCKS_APART_S)))
    others = [one["channels"].get("xapi", {}).get("response") for one in spool.history(host, spool.HISTORY_COUNT)]
    for _, record in sorted(session.xenapi.message.get(kind, uuid, since).items()):
        if (record["name"], native(record["body"])) == (alert["name"], alert["short"]) and MESSAGE + record["uuid"] not in others:
            return record["uuid"]
    return None


def _by_mail(host, session, alert, limits):
    mail_to = md.read_configuration(host).first("MAILADDR")
    if mail_to is None or not mail.directives(host.read_if_there(mail.CONFIGURATION) or "").get("mailhub"):
        return "off", mail.Answer(False, "no mail server is configured", "Call configure_alerts.")
    recipients = mail_to.split(",")
    sender = md.read_configuration(host).first("MAILFROM") or recipients[0]
    message = mail.compose(sender, recipients, alert["subject"], alert["body"], alert["time"], alert["id"], alert["uuid"])
    answer = mail.send(host, message, limits.smtp_timeout_s)
    return ("accepted" if answer.accepted else "waiting"), answer


SENDERS = {"xapi": _by_xapi, "mail": _by_mail}


def prepare_monitor(host):
    """Write the configuration that mdadm's monitor runs with: /etc/mdadm.conf without mail, the hook as PROGRAM; look at the arrays."""
    configuration = md.read_configuration(host)
    for keyword in ("MAILADDR", "MAILFROM", "PROGRAM"):
        configuration.remove_words(keyword)
    spool.make_folders(host)
    host.replace(MONITOR_CONFIGURATION, configuration.text() + "PROGRAM %s\n" % HOOK, 0o600)
    start(host)
