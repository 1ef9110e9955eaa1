"""Alerts by mail: one state for each recipient, so that an address that is refused keeps the alert
from nobody else.
"""

from __future__ import absolute_import

import os
import time

from xsraid.alerts import mail, recipients, spool
from xsraid.host import store, workers
from xsraid.md import conf
from xsraid.md import state as md_state

GRACE_S = 5  # beside the limit of each mail, for what is done besides
PAUSE_S = 3600  # before the next try with a login that was refused: that locks accounts


def send(host, _, alert, state, limits):
    """Mail an alert to all recipients that wait for it, at once; return the Sent.

    state: the alert's on this channel, see `recipients`: these are addresses.
    """
    try:
        addresses, sender = _addresses(host)
    except EnvironmentError as error:
        response = "it is not known to whom: %s: %s" % (
            error.filename or md_state.CONFIGURATION,
            error.strerror or error,
        )
        return spool.Sent(
            "waiting",
            mail.Answer(False, response, "See why this file cannot be read."),
            True,
            False,
        )
    if not addresses:
        return spool.Sent(
            "off",
            mail.Answer(False, "no mail server is configured", "Call configure_alerts."),
            False,
            False,
        )
    settings, is_test = _settings(host), alert["name"] == "XSRAID_TEST"
    paused = (
        None if is_test else _refused_login(host, settings) or recipients.paused(state, settings)
    )
    if paused is not None:
        return paused
    waiting = recipients.waiting(state, addresses)
    message = mail.compose(
        sender,
        addresses,
        alert["subject"],
        alert["body"],
        alert["time"],
        alert["id"],
        alert["uuid"],
    )
    for address, answer in zip(waiting, _send_each(host, message, waiting, limits.smtp_timeout_s)):
        recipients.note(state, address, mail.verdict(answer), answer.response, answer.advice)
    answer, verdicts = recipients.answer(state, addresses)
    if mail.LOGIN in verdicts:
        is_news = (store.read(host, store.MAIL_LOGIN) or {}).get("settings") != settings
        store.write(
            host,
            store.MAIL_LOGIN,
            {
                "time": time.time(),
                "settings": settings,
                "response": answer.response,
                "advice": answer.advice,
            },
        )
        return spool.Sent("waiting", answer, True, is_news)
    store.remove(host, store.MAIL_LOGIN)
    return recipients.sent(
        state, addresses, settings, lambda answer: not mail.is_about_this_mail(answer)
    )


def _addresses(host):
    """Return (recipients, sender), no recipients where no mail server is configured.

    Where another file that mdadm reads cannot be read our own alone says who is told. Raises
    EnvironmentError where that cannot be read either.
    """
    try:
        configuration = md_state.read_configuration(host)
    except EnvironmentError:
        configuration = conf.Configuration(
            host.read_if_there(md_state.CONFIGURATION) or "", path=md_state.CONFIGURATION
        )
        if not configuration.recipients():
            raise
    addresses = []
    for address in configuration.recipients():
        addresses += [address] if address not in addresses else []
    if not mail.directives(host.read_if_there(mail.CONFIGURATION) or "").get("mailhub"):
        return [], None
    return addresses, configuration.sender() or (addresses or [None])[0]


def _send_each(host, message, addresses, limit_s):
    """Return the Answers for each recipient; where there are several, none waits for another."""
    if len(addresses) == 1:
        return [_send_one(host, message, addresses[0], limit_s)]
    outcomes = workers.each(
        host,
        lambda address: list(_send_one(host, message, address, limit_s)),
        addresses,
        limit_s + GRACE_S,
    )
    return [_answer(outcome) for outcome in outcomes]


def _answer(outcome):
    if outcome.error is None:
        return mail.Answer(*outcome.value)
    return mail.Answer(False, outcome.error, "It is tried again.")


def _send_one(host, message, address, limit_s):
    try:
        return mail.send(host, message, limit_s, [address])
    except ValueError as error:  # somebody has written it into MAILADDR by hand
        return mail.Answer(
            False,
            "501 %s" % error,
            "Correct MAILADDR in /etc/mdadm.conf, or call configure_alerts.",
        )


def _refused_login(host, settings):
    """Return the Sent of an alert that is not tried now, as the login was refused lately with these
    settings; None for any other.
    """
    now, refused = time.time(), store.read(host, store.MAIL_LOGIN)
    if refused and refused.get("settings") == settings and 0 <= now - refused["time"] < PAUSE_S:
        return spool.Sent(
            None, mail.Answer(False, refused["response"], refused["advice"]), True, False
        )
    return None


def _settings(host):
    """Return what changes whenever the settings of the mail server are written."""
    status = os.stat(host.path(mail.CONFIGURATION))
    return "%d %d" % (status.st_ino, status.st_mtime)
