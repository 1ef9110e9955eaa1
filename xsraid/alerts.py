"""Alerts: the settings of this host, and the proof that they work. The verbs `configure_alerts`, `get_alerts` and `test_alert`."""

from __future__ import absolute_import

import collections
import json
import os
import shutil
import tempfile
import time

import XenAPI

from xsraid import mail, md, monitor, xapi
from xsraid import settings as host_settings
from xsraid.commands import run
from xsraid.errors import BadArgument, MailRejected, NotConfigured, UnknownArray
from xsraid.levels import LEVELS
from xsraid.text import native, printable

HOOK = "/usr/libexec/xsraid/event-hook"
XAPI_MESSAGES_KEY = "xsraid-xapi-messages"  # in the host's other_config, where it survives an upgrade of dom0
TEST_PRIORITY = "5"  # information; XAPI's integers travel as strings
TEST_EVENT = "TestMessage"
SECRET_ADVICE = "make a secret with `xe secret-create value=...` and give its uuid as smtp_password_secret"


def configure_alerts(host, session, mail_to, mail_from, smtp_host, smtp_port=587, smtp_security="starttls", smtp_user=None,
                     smtp_password_secret=None, xapi_messages=True):
    """Write ssmtp.conf, revaliases, MAILADDR and MAILFROM, let the monitor run; return {"settings", "monitor", "warnings"}.

    smtp_password_secret: uuid of a XenAPI secret. Raises BadArgument, CommandFailed, Timeout, Busy, and what XAPI raises; the files change all
    or not at all.
    """
    host_settings.load(host)
    wanted = {"mail_to": mail_to, "smtp_host": smtp_host, "smtp_port": smtp_port, "smtp_security": smtp_security, "smtp_user": smtp_user}
    password, warnings = _password(session, smtp_user, smtp_password_secret)
    if password and smtp_security == "none":
        warnings.append("smtp_security=none sends user and password in clear over the network")
    here = xapi.this_host(host, session)
    with host.lock("configure_alerts"):
        staged = []
        try:
            ssmtp = mail.with_directives(host.read_if_there(mail.CONFIGURATION) or "", mail.wanted_directives(host, wanted, password))
            staged.append(host.stage(mail.CONFIGURATION, ssmtp, 0o640, "mail"))
            aliases = mail.with_alias(host.read_if_there(mail.REVALIASES) or "", "root", mail_from, "%s:%d" % (smtp_host, smtp_port))
            staged.append(host.stage(mail.REVALIASES, aliases))
            configuration = md.read_configuration(host)
            configuration.set_word("MAILADDR", mail_to)
            configuration.set_word("MAILFROM", mail_from)
            staged.append(host.stage(md.CONFIGURATION, configuration.text()))
            xapi.set_other_config(session.xenapi.host, here, XAPI_MESSAGES_KEY, "true" if xapi_messages else "false")
            for file in staged:
                file.commit()
        finally:
            for file in staged:
                file.discard()
        monitor.enable(host, restart=_is_watchable(md.read_arrays(host)))
    reply = get_alerts(host, session)
    reply["warnings"] = warnings + reply["warnings"]
    return reply


def get_alerts(host, session):
    """Return {"settings": ..., "monitor": running, stopped or failed, "warnings": [...]}, as the files of this host say, without any secret."""
    current, warnings = read_settings(host, session), []
    running = monitor.state(host)
    if current["mail_to"] is None or current["smtp_host"] is None:
        warnings.append("no mail can be sent yet: call configure_alerts")
    elif running != "running":
        warnings.append("mdadm's monitor is not running (`systemctl status %s` tells why): nobody would be alerted" % monitor.SERVICE
                        if _is_watchable(md.read_arrays(host)) else "there is no array to watch yet: mdadm's monitor starts with the first")
    return collections.OrderedDict([("settings", current), ("monitor", running), ("warnings", warnings)])


def _is_watchable(records):
    """Return whether there is an array that mdadm's monitor watches: one that runs and has redundancy."""
    return any(record["level"] in LEVELS and LEVELS[record["level"]].redundant for record in records)


def read_settings(host, session):
    """Return the settings that are in force, None for each that is not set."""
    configuration = md.read_configuration(host)
    ssmtp = mail.directives(host.read_if_there(mail.CONFIGURATION) or "")
    server, _, port = ssmtp.get("mailhub", "").partition(":")
    use_tls, use_starttls = [ssmtp.get(key, "").upper() == "YES" for key in ("usetls", "usestarttls")]
    other_config = session.xenapi.host.get_other_config(xapi.this_host(host, session))
    return collections.OrderedDict([
        ("mail_to", configuration.first("MAILADDR")),
        ("mail_from", configuration.first("MAILFROM")),
        ("smtp_host", server or None),
        ("smtp_port", int(port) if port.isdigit() else 25 if server else None),
        ("smtp_security", "starttls" if use_starttls else "tls" if use_tls else "none"),
        ("smtp_user", ssmtp.get("authuser") or None),
        ("smtp_password_set", bool(ssmtp.get("authpass"))),
        ("xapi_messages", other_config.get(XAPI_MESSAGES_KEY, "true") == "true"),
    ])


def test_alert(host, session, array=None, timeout_s=60):
    """Let mdadm make its test event for each array (or one) and deliver it; return {"deliveries": [...]}, one for each array and channel.

    timeout_s: for the whole call. Raises MailRejected when no mail was accepted, NotConfigured, UnknownArray, Timeout.
    """
    deadline = time.time() + timeout_s
    limits = host_settings.load(host)
    current = read_settings(host, session)
    if current["mail_to"] is None or current["smtp_host"] is None:
        raise NotConfigured("Mail alerts are not configured", "Call configure_alerts first.")
    records = [record for record in md.list_arrays(host, session, array)["arrays"] if record["health"] != "missing"]
    if not records:
        raise UnknownArray(array or "all", "there is no running array that mdadm could make a test event for")
    events = _test_events(host, [record["device"] for record in records], min(limits.mdadm_timeout_s, timeout_s))
    deliveries = []
    for record in records:
        deliveries += _deliver_test(host, session, current, record, record["device"] in events, min(limits.smtp_timeout_s, deadline - time.time()))
    mails = [delivery for delivery in deliveries if delivery["channel"] == "mail"]
    if not any(delivery["accepted"] for delivery in mails):
        raise MailRejected(mails[0]["response"], mails[0]["advice"])
    return {"deliveries": deliveries}


def _password(session, smtp_user, secret):
    """Return (password or None, warnings)."""
    if (smtp_user is None) != (secret is None):
        missing = "smtp_user" if smtp_user is None else "smtp_password_secret"
        raise BadArgument(missing, "a login takes both smtp_user and smtp_password_secret; " + SECRET_ADVICE)
    if secret is None:
        return None, []
    return mail.carried_password(native(session.xenapi.secret.get_value(session.xenapi.secret.get_by_uuid(secret))))


def _test_events(host, devices, timeout_s):
    """Return the devices for which mdadm made a test event and handed it to the hook.

    The devices are named, not scanned for: so RAID0 is tested as well, and a monitor that is running is in nobody's way.
    """
    folder = tempfile.mkdtemp(prefix="xsraid-test-")
    try:
        empty = os.path.join(folder, "mdadm.conf")
        with open(empty, "w"):
            pass
        argv = ["mdadm", "--monitor", "--test", "--oneshot", "--config=" + empty, "--program=" + HOOK]
        run(host, argv + devices, timeout_s, environment={"XSRAID_EVENTS": folder})
        events = [json.loads(host.read(os.path.join(folder, name))) for name in os.listdir(folder) if name.endswith(".event")]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return [native(event["device"]) for event in events if event["event"] == TEST_EVENT]


def _deliver_test(host, session, current, record, was_made, timeout_s):
    if not was_made:
        return [_delivery(record, "mail", mail.Answer(False, "mdadm made no test event", "Look into the system log: mdadm --monitor says why."), 0)]
    deliveries = []
    started = time.time()
    if timeout_s < 1:
        answer = mail.Answer(False, "not tried: the time was up", "Give a larger timeout_s.")
    else:
        answer = mail.send(host, _test_message(host, session, current, record), timeout_s)
    deliveries.append(_delivery(record, "mail", answer, time.time() - started))
    if current["xapi_messages"]:
        started = time.time()
        answer = _xapi_message(host, session, record)
        deliveries.append(_delivery(record, "xapi", answer, time.time() - started))
    return deliveries


def _delivery(record, channel, answer, seconds):
    return collections.OrderedDict([
        ("array", record["device"]), ("event", TEST_EVENT), ("channel", channel), ("accepted", answer.accepted),
        ("response", printable(answer.response, 500)), ("seconds", round(seconds, 2)), ("advice", answer.advice)])


def _test_message(host, session, current, record):
    name = _line(native(session.xenapi.host.get_name_label(xapi.this_host(host, session))))
    lines = [
        "This is a test. mdadm made a test event for the array", "",
        "    %s (%s, %s) on %s" % (record["device"], record["level"], record["health"], name), "",
        "and this host could hand the mail over. When a disk fails you will hear of it the same way.", "Nothing needs to be done."]
    sender = current["mail_from"] or current["mail_to"].split(",")[0]
    return mail.compose(sender, current["mail_to"].split(","), "Test alert: %s on %s" % (record["device"], name), "\n".join(lines) + "\n")


def _xapi_message(host, session, record):
    """Create the test message in XAPI, on the array's SR if there is one, else on this host; return the Answer."""
    if record["sr"]:
        kind, uuid = "SR", record["sr"]["uuid"]
    else:
        kind, uuid = "Host", session.xenapi.host.get_uuid(xapi.this_host(host, session))
    body = "Test alert for %s (%s, %s). Nothing needs to be done." % (record["device"], record["level"], record["health"])
    try:
        message = session.xenapi.message.create("XSRAID_TEST", TEST_PRIORITY, kind, uuid, body)
    except XenAPI.Failure as error:
        return mail.Answer(False, " ".join(error.details), "XAPI refuses the message: see its log, /var/log/xensource.log.")
    return mail.Answer(True, "message %s" % session.xenapi.message.get_record(message)["uuid"], "")


def _line(text):
    """Return text as one line, for a header or a sentence."""
    return " ".join(printable(text).split())
