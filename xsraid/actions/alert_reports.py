"""What became of alerts: the verbs `test_alert` and `alert_history`. Both tell what
`alerts.deliver` has noted in the spool.
"""

from __future__ import absolute_import

import collections
import time

from xsraid.alerts import channels, deliver, mail, spool
from xsraid.alerts import settings as alert_settings
from xsraid.errors import MailRejected, NotConfigured, UnknownArray
from xsraid.host import clock, config
from xsraid.md import mdadm
from xsraid.md import state as md_state
from xsraid.states import Health

TEST_EVENT = "TestMessage"
LOOK_S = 0.1
NONE = {"state": "off"}  # of a channel that an alert does not wait on


def test_alert(host, session, array, timeout_s):
    """Let mdadm make its test event for each array (or one), which goes the way of a real one;
    return {"deliveries": [...]}, one for each array and channel.

    timeout_s: for the whole call. Raises MailRejected when no mail was accepted, NotConfigured,
    UnknownArray, Timeout.
    """
    started, began = time.time(), clock.monotonic_s()
    deadline = began + timeout_s
    limits = config.load(host)
    current = alert_settings.read_settings(host, session)
    if current["mail_to"] is None or current["smtp_host"] is None:
        raise NotConfigured("Mail alerts are not configured", "Call configure_alerts first.")
    devices = [
        record.device
        for record in md_state.list_arrays(host, session, array)["arrays"]
        if record.health != Health.MISSING
    ]
    if not devices:
        raise UnknownArray(
            array or "all", "there is no running array that mdadm could make a test event for"
        )
    spool.make_folders(host)
    mdadm.make_test_events(host, devices, deliver.HOOK, min(limits.mdadm_timeout_s, timeout_s))
    found = _wait(host, devices, lambda: _set_back_to(started, began) - 1, deadline)
    deliveries = [
        delivered for device in devices for delivered in _deliveries(found.get(device), device)
    ]
    mails = [delivered for delivered in deliveries if delivered["channel"] == "mail"]
    if not any(delivered["accepted"] for delivered in mails):
        raise MailRejected(mails[0]["response"], mails[0]["advice"])
    return {"deliveries": deliveries}


def _set_back_to(started, began):
    """Return the time of the start, and an earlier one if the system's clock was set back since:
    events have the time that it showed.

    started, began: by that clock and by `clock.monotonic_s`.
    """
    set_ahead_s = (time.time() - started) - (clock.monotonic_s() - began)
    return started + min(0, set_ahead_s)


def _wait(host, devices, since, deadline):
    """Return {device: alert} of the tests made since then, as they are when all have been tried or
    the time is up. since: returns the time.
    """
    while True:
        tests = [
            alert
            for alert in spool.history(host, 2 * len(devices) + 20)
            if alert["name"] == "XSRAID_TEST" and alert["time"] >= since()
        ]
        found = {alert["device"]: alert for alert in tests}
        tried = [device for device in devices if device in found and _is_tried(found[device])]
        if len(tried) == len(devices) or clock.monotonic_s() > deadline:
            return found
        time.sleep(LOOK_S)


def _is_tried(alert):
    return all(channel["state"] != "waiting" for channel in alert["channels"].values())


def _deliveries(alert, device):
    if alert is None:
        answer = mail.Answer(
            False,
            "no test event of mdadm came through in time",
            "Give a larger timeout_s, or see `journalctl -t xsraid`.",
        )
        return [
            _tested(
                device,
                "mail",
                {
                    "state": "waiting",
                    "response": answer.response,
                    "seconds": 0,
                    "advice": answer.advice,
                },
            )
        ]
    return [
        _tested(device, name, alert["channels"][name])
        for name in channels.NAMES
        if alert["channels"].get(name, NONE)["state"] != "off"
    ]


def _tested(device, name, channel):
    response = channel["response"] or "not tried in time: an earlier delivery is still at work"
    return collections.OrderedDict(
        [
            ("array", device),
            ("event", TEST_EVENT),
            ("channel", name),
            ("accepted", channel["state"] == "accepted"),
            ("response", response),
            ("seconds", channel["seconds"]),
            ("advice", channel["advice"]),
        ]
        + _recipients(channel)
    )


def _recipients(channel):
    """Return what became of an alert at each recipient, where there are several."""
    known = channel.get("recipients", {})
    if len(known) < 2:
        return []
    return [("recipients", [_recipient(address, known[address]) for address in sorted(known)])]


def _recipient(address, one):
    return collections.OrderedDict(
        [("address", address), ("state", one["state"]), ("response", one["response"])]
    )


def alert_history(host, session, count):
    """Return {"alerts": [...]}, the newest first: past alerts and how each was delivered."""
    return {"alerts": [_past(alert) for alert in spool.history(host, count)]}


def _past(alert):
    tried = [name for name in channels.NAMES if name in alert["channels"]]
    return collections.OrderedDict(
        [
            ("time", md_state.iso_time(alert["time"])),
            ("name", alert["name"]),
            ("array", alert["device"]),
            ("uuid", alert["uuid"]),
            ("disk", alert["component"]),
            ("events", alert["events"]),
            ("subject", alert["subject"]),
            ("deliveries", [_delivered(name, alert["channels"][name]) for name in tried]),
        ]
    )


def _delivered(name, channel):
    return collections.OrderedDict(
        [
            ("channel", name),
            ("state", channel["state"]),
            ("tries", channel["tries"]),
            ("response", channel["response"]),
            ("seconds", channel["seconds"]),
            ("time", md_state.iso_time(channel["time"])),
            ("advice", channel["advice"]),
        ]
        + _recipients(channel)
    )
