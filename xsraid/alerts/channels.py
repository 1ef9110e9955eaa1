"""The channels by which alerts leave this host, a row for each, and the delivery of what waits on
one of them: none knows of another.

What a channel has done with an alert is a file of its own in the spool, so that one that hangs or
crashes changes nothing for the others. The next channel is a module with a `send`, and a row here.
"""

from __future__ import absolute_import

import collections
import contextlib
import syslog
import time

from xsraid.alerts import by_mail, by_webhook, by_xapi, mail, spool
from xsraid.host import clock, workers
from xsraid.text import printable

GIVE_UP_S = 7 * 24 * 3600  # of waiting, as far as somebody was there to try
GAP_MAX_S = 4000  # between two tries: what is more the host was down, or its clock was set
GRACE_S = 15  # beside the time limit of a mail, for what is done besides
GIVEN_UP = "XSRAID_ALERT_UNDELIVERED"
UNTRIED = {
    "state": "waiting",
    "tries": 0,
    "response": "",
    "advice": "",
    "seconds": 0,
    "time": None,
    "waited_s": 0,
}


@contextlib.contextmanager
def _nothing(host):
    yield None


def _always(host):
    return True


# is_wanted(host): whether alerts wait on it at all; opened(host): context of what `send` needs, for
# several alerts; send(host, what was opened, alert, its state on this channel, limits): returns a
# spool.Sent; follow(host, what was opened, follows): calls each of follows(host, session, records),
# None for a channel without a session; at_once: how many alerts are sent at a time, where each
# needs nothing of what was opened.
Channel = collections.namedtuple("Channel", "is_wanted opened send follow at_once")
CHANNELS = collections.OrderedDict(
    [
        # Microsoft 365 takes no more connections of one sender.
        ("mail", Channel(_always, _nothing, by_mail.send, None, 3)),
        ("xapi", Channel(_always, by_xapi.opened, by_xapi.send, by_xapi.follow, 1)),
        ("webhook", Channel(by_webhook.is_wanted, _nothing, by_webhook.send, None, 3)),
    ]
)
NAMES = tuple(CHANNELS)


def wanted(host):
    """Return the names of the channels that are in use here."""
    return [name for name, channel in CHANNELS.items() if channel.is_wanted(host)]


def with_channels(alert, names):
    """Return an alert that waits on these channels, and nobody has tried one yet."""
    alert["channels"] = {name: dict(UNTRIED) for name in names}
    return alert


def deliver(host, name, ids, limits, follows=()):
    """Try the alerts of these ids on one channel, once each, as far as nobody else does; those last
    that were tried most. Raises CommandFailed.

    follows: what is done besides with what this channel opened, see `follow` of a Channel.
    """
    channel = CHANNELS[name]
    with spool.lock(host, name) as descriptor:
        if descriptor is None:
            return
        alerts = [alert for alert in spool.waiting(host) if is_waiting(alert, name)]
        known = {alert["id"] for alert in alerts}
        alerts = sorted(
            (alert for alert in alerts if alert["id"] in ids),
            key=lambda alert: (alert["channels"][name]["tries"], alert["id"]),
        )
        with channel.opened(host) as way:
            _attempt_all(host, name, way, alerts, limits)
            has_come = any(
                is_waiting(alert, name) and alert["id"] not in known
                for alert in spool.waiting(host)
            )
            if channel.follow and follows and not has_come:  # what has come meanwhile goes first
                channel.follow(host, way, follows)


def is_waiting(alert, name):
    """Return whether an alert waits on a channel."""
    return alert["channels"].get(name, {}).get("state") == "waiting"


def _attempt_all(host, name, way, alerts, limits):
    """Try alerts one by one until one has shown that the way is in order, and while it is, as many
    at a time as the channel takes.
    """
    outage, count = None, 1
    while alerts:
        part, alerts = alerts[:count], alerts[count:]
        if len(part) == 1:
            outage = attempt(host, name, way, part[0], limits, outage)
        else:
            outage = _attempt_together(host, name, way, part, limits)
        count = CHANNELS[name].at_once if outage is None else 1


def _attempt_together(host, name, way, alerts, limits):
    """Try alerts at the same time, each in a process of its own; return what `attempt` does."""
    outcomes = workers.each(
        host,
        lambda alert: attempt(host, name, way, alert, limits),
        alerts,
        limits.smtp_timeout_s + GRACE_S,
    )
    for outcome in outcomes:
        if outcome.error is not None:
            host.log("delivery by %s: %s" % (name, outcome.error), syslog.LOG_ERR)
    return next((mail.Answer(*outcome.value) for outcome in outcomes if outcome.value), None)


def attempt(host, name, way, alert, limits, outage=None):
    """Try one channel with one alert and note what was answered; return the Answer of a way that is
    out of order, None of any other.

    outage: such an Answer that an alert before this one got. It is this one's, too, but counts as
    no try, unless nobody will try it again.
    """
    state, started, is_test = (
        alert["channels"][name],
        clock.monotonic_s(),
        alert["name"] == "XSRAID_TEST",
    )
    if outage is not None and not is_test:
        return outage
    sent = (
        spool.Sent("waiting", outage, True, False)
        if outage
        else CHANNELS[name].send(host, way, alert, state, limits)
    )
    if sent.state is None:
        return sent.answer if sent.is_outage else None
    now = time.time()
    waited_s = state.get("waited_s", 0) + min(
        max(0, now - (state["time"] or alert["created"])), GAP_MAX_S
    )
    is_over = sent.state == "waiting" and (waited_s > GIVE_UP_S or is_test)
    state.update(
        state="given up" if is_over else sent.state,
        tries=state["tries"] + 1,
        response=printable(sent.answer.response, 500),
        advice=sent.answer.advice,
        seconds=round(clock.monotonic_s() - started, 2),
        time=now,
        waited_s=waited_s,
    )
    if (is_over or sent.is_news) and not is_test and alert["name"] != GIVEN_UP:
        others = [other for other in wanted(host) if other != name]
        spool.keep(host, _undelivered(alert, name, sent, is_over, others))
    spool.keep_state(host, alert["id"], name, state)
    return sent.answer if sent.is_outage and sent.state == "waiting" else None


def _undelivered(alert, name, sent, is_over, others):
    """Return the alert, for others than this channel alone, that this one was given up, or that it
    waits for somebody to do something.
    """
    why = printable(sent.answer.response, 300)
    if is_over:
        sentence = "The alert '%s' could not be delivered by %s for a week and was given up: %s" % (
            alert["subject"],
            name,
            why,
        )
    else:
        sentence = "The alert '%s' cannot be delivered by %s: %s. %s" % (
            alert["subject"],
            name,
            why,
            sent.answer.advice,
        )
    return with_channels(
        dict(
            alert,
            name=GIVEN_UP,
            priority=2,
            id=spool.new_id(time.time()),
            created=time.time(),
            short=sentence,
            subject="[xsraid] %s: no %s" % (GIVEN_UP, name),
            body=sentence + "\n\n" + alert["body"],
        ),
        others,
    )
