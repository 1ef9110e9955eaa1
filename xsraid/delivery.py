"""Delivering alerts, by mail and as messages of XAPI; the verb `test_alert`. The settings are in `alerts`."""

from __future__ import absolute_import

import collections
import json
import os
import shutil
import syslog
import tempfile
import time

import XenAPI

from xsraid import alerts, mail, md, settings, xapi
from xsraid.commands import run
from xsraid.errors import MailRejected, NotConfigured, UnknownArray
from xsraid.text import native, printable

HOOK = "/usr/libexec/xsraid/event-hook"
TEST_PRIORITY = 5  # information
TEST_EVENT = "TestMessage"


def test_alert(host, session, array=None, timeout_s=60):
    """Let mdadm make its test event for each array (or one) and deliver it; return {"deliveries": [...]}, one for each array and channel.

    timeout_s: for the whole call. Raises MailRejected when no mail was accepted, NotConfigured, UnknownArray, Timeout.
    """
    deadline = time.time() + timeout_s
    limits = settings.load(host)
    current = alerts.read_settings(host, session)
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
        body = "Test alert for %s (%s, %s). Nothing needs to be done." % (record["device"], record["level"], record["health"])
        answer = _post(host, session, record, "XSRAID_TEST", TEST_PRIORITY, body)
        deliveries.append(_delivery(record, "xapi", answer, time.time() - started))
    return deliveries


def _delivery(record, channel, answer, seconds):
    return collections.OrderedDict([
        ("array", record["device"]), ("event", TEST_EVENT), ("channel", channel), ("accepted", answer.accepted),
        ("response", printable(answer.response, 500)), ("seconds", round(seconds, 2)), ("advice", answer.advice)])


def tell(host, session, record, name, priority, meaning, by_mail):
    """Tell of an array, in XenCenter and by mail if these are configured; what nobody took is logged.

    name: of the message, such as XSRAID_ARRAY_DEGRADED; priority: 1 (critical) to 5 (information); meaning: a sentence; by_mail: not where mdadm
    mails of it by itself.
    """
    current = alerts.read_settings(host, session)
    on = _host_name(host, session)
    what = "%s (%s) on %s is %s. %s" % (record["device"], record["level"] or "level not known", on, record["health"], meaning)
    answers = []
    if current["xapi_messages"]:
        answers.append(_post(host, session, record, name, priority, what))
    if by_mail and current["mail_to"] and current["smtp_host"]:
        advice = "`xe host-call-plugin host-uuid=... plugin=xsraid fn=list_arrays` shows its members with their serial numbers."
        message = _mail(current, "%s: %s on %s" % (name, record["device"], on), [what, "", advice])
        answers.append(mail.send(host, message, settings.load(host).smtp_timeout_s))
    host.log(what, syslog.LOG_WARNING)
    for answer in answers:
        if not answer.accepted:
            host.log("nobody was told: %s" % answer.response, syslog.LOG_ERR)


def _test_message(host, session, current, record):
    on = _host_name(host, session)
    return _mail(current, "Test alert: %s on %s" % (record["device"], on), [
        "This is a test. mdadm made a test event for the array", "",
        "    %s (%s, %s) on %s" % (record["device"], record["level"], record["health"], on), "",
        "and this host could hand the mail over. When a disk fails you will hear of it the same way.", "Nothing needs to be done."])


def _mail(current, subject, lines):
    recipients = current["mail_to"].split(",")
    return mail.compose(current["mail_from"] or recipients[0], recipients, subject, "\n".join(lines) + "\n")


def _post(host, session, record, name, priority, body):
    """Create a message in XAPI, on the array's SR if there is one, else on this host; return the Answer."""
    if record["sr"]:
        kind, uuid = "SR", record["sr"]["uuid"]
    else:
        kind, uuid = "Host", session.xenapi.host.get_uuid(xapi.this_host(host, session))
    try:
        message = session.xenapi.message.create(name, str(priority), kind, uuid, body)  # XAPI's integers travel as strings
    except XenAPI.Failure as error:
        return mail.Answer(False, " ".join(error.details), "XAPI refuses the message: see its log, /var/log/xensource.log.")
    return mail.Answer(True, "message %s" % session.xenapi.message.get_record(message)["uuid"], "")


def _host_name(host, session):
    """Return this host's name as one line, for a header or a sentence."""
    return " ".join(printable(native(session.xenapi.host.get_name_label(xapi.this_host(host, session)))).split())
