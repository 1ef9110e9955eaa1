"""Alerts as messages of XAPI, where XenCenter, Xen Orchestra and scripts see them; and what else
XAPI is told of while arrays are at work.
"""

from __future__ import absolute_import

import contextlib
import socket
import time

import XenAPI

from xsraid.alerts import mail, spool
from xsraid.alerts import settings as alert_settings
from xsraid.md import state as md_state
from xsraid.text import native
from xsraid.xapi import objects

LIMIT_S = 5  # for each question: a xapi that hangs holds up nobody but this channel
MESSAGE = "message "  # what XAPI's answer is noted as begins with this, the message's uuid follows
FIRST_TRY_S = 2
CLOCKS_APART_S = 3600  # a message has the time of the pool's master


class Way(object):
    """A local session that is there or not: `session` is None while xapi does not answer, and then
    stays so.
    """

    def __init__(self, host, limit_s=LIMIT_S):
        self.host, self.session = host, None
        socket.setdefaulttimeout(limit_s)
        try:
            session = XenAPI.xapi_local()
            session.xenapi.login_with_password("root", "", "1.0", "xsraid")
            self.session = session
        except Exception as error:  # noqa: BLE001 - whatever xapi's trouble is, it is tried again
            host.log("xapi does not answer: %s" % error)

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


@contextlib.contextmanager
def opened(host):
    """Give the Way to XAPI."""
    way = Way(host)
    try:
        yield way
    finally:
        way.ask(lambda session: session.xenapi.session.logout())


def send(host, way, alert, state, limits):
    """Make an alert a message of its SR, or of this host where it has none or the SR is gone;
    return the Sent.
    """

    def post(session):
        here = objects.this_host(host, session)
        if not alert_settings.wants_messages(session, here):
            return spool.Sent("off", mail.Answer(False, "xapi_messages=false", ""), False, False)
        kind, uuid = _object(host, session, alert, here)
        try:
            message = _posted_before(host, session, alert, state, kind, uuid)
            if message is None:
                ref = session.xenapi.message.create(
                    alert["name"], str(alert["priority"]), kind, uuid, alert["short"]
                )
                message = session.xenapi.message.get_record(ref)["uuid"]
        except XenAPI.Failure as error:
            refused = mail.Answer(
                False,
                " ".join(error.details),
                "XAPI refuses the message: see its log, /var/log/xensource.log.",
            )
            return spool.Sent("waiting", refused, False, False)
        return spool.Sent("accepted", mail.Answer(True, MESSAGE + message, ""), False, False)

    gone = mail.Answer(
        False, "xapi does not answer", "Is xapi running? `systemctl status xapi` shows it."
    )
    return way.ask(post, spool.Sent("waiting", gone, False, False))


def _object(host, session, alert, here):
    """Return (class, uuid) of what a message is about."""
    # Maybe only because XAPI did not answer at once when the alert was made.
    if alert["sr"] is None:
        sr = objects.sr_of_array(host, session, alert["uuid"])
        if sr is not None:
            return "SR", session.xenapi.SR.get_uuid(sr)
    elif objects.sr_if_known(session, alert["sr"]) is not None:
        return "SR", alert["sr"]
    return "Host", session.xenapi.host.get_uuid(here)


def follow(host, way, follows):
    """Call each of follows(host, session, records) with the arrays as they are now; the next
    delivery does so again.
    """
    records = md_state.read_arrays(host)
    for act in follows:
        way.ask(lambda session, act=act: act(host, session, records))


def _posted_before(host, session, alert, state, kind, uuid):
    """Return the uuid of the message that an earlier try made of an alert without hearing of it,
    None if it is the first or made none.
    """
    now = time.time()
    if not state["tries"] and 0 <= now - alert["created"] < FIRST_TRY_S:
        return None
    since = objects.date(min(alert["created"], now) - CLOCKS_APART_S)
    others = [
        one["channels"].get("xapi", {}).get("response")
        for one in spool.history(host, spool.HISTORY_COUNT)
    ]
    for _, record in sorted(session.xenapi.message.get(kind, uuid, since).items()):
        if (record["name"], native(record["body"])) == (
            alert["name"],
            alert["short"],
        ) and MESSAGE + record["uuid"] not in others:
            return record["uuid"]
    return None
