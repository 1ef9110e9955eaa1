"""Alerts by webhook: as JSON by POST to https addresses, which is what Slack, Teams, Mattermost,
Discord, ntfy and home-made scripts take.

Each address has a state of its own. The certificate is always checked, and no redirection is
followed: the token goes to the host that was named, to no other.
"""

from __future__ import absolute_import

import json
import socket
import ssl
import time

from xsraid.alerts import mail, recipients, spool
from xsraid.host import store, workers
from xsraid.text import PYTHON_2, native, printable, to_bytes

if PYTHON_2:
    import httplib
    import urlparse
else:
    import http.client as httplib
    import urllib.parse as urlparse

TOKEN = "{token}"  # stands for the token in an address or a header
LIMIT_S = 10  # for each address, whatever it does
STEP_S = 5  # for each step of that
GRACE_S = 2
ANSWER_BYTES = 300
LATER_CODES = (408, 425, 429)  # refusals that are none for good (RFC 9110, RFC 8470, RFC 6585)
ACCEPTED, LATER, REFUSED = mail.ACCEPTED, mail.LATER, mail.REFUSED
UNREACHED = "Can this host reach it? It is tried again."


def is_wanted(host):
    """Return whether there is an address to send alerts to."""
    return bool((store.read(host, store.WEBHOOK) or {}).get("urls"))


def send(host, _, alert, state, limits):
    """Post an alert to all addresses that wait for it, at once; return the Sent.

    state: the alert's on this channel, see `recipients`: these are addresses without the token.
    """
    configured = store.read(host, store.WEBHOOK) or {}
    urls, settings = configured.get("urls", []), configured.get("time")
    if not urls:
        return spool.Sent(
            "off",
            mail.Answer(False, "no webhook is configured", "Call configure_alerts."),
            False,
            False,
        )
    paused = None if alert["name"] == "XSRAID_TEST" else recipients.paused(state, settings)
    if paused is not None:
        return paused
    waiting, content = recipients.waiting(state, urls), json.dumps(payload(host, alert))
    outcomes = workers.each(
        host, lambda url: _post(host, url, configured, content), waiting, LIMIT_S + GRACE_S
    )
    for url, outcome in zip(waiting, outcomes):
        answer = outcome.value
        if outcome.error is not None:
            answer = (LATER, outcome.error, UNREACHED)
        recipients.note(state, url, *answer)
    return recipients.sent(state, urls, settings, lambda _: True)


def payload(host, alert):
    """Return what is posted of an alert. `text` and `content` are what chat programs show; the rest
    is for programs.
    """
    return {
        "text": alert["short"],
        "content": alert["short"],
        "title": alert["subject"],
        "body": alert["body"],
        "name": alert["name"],
        "priority": alert["priority"],
        "id": alert["id"],
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(alert["time"])),
        "array": alert["device"],
        "array_uuid": alert["uuid"],
        "disk": alert["component"],
        "sr_uuid": alert["sr"],
        "host": alert.get("host"),
        "host_uuid": alert.get("host_uuid"),
        "pool": alert.get("pool"),
    }


def _post(host, url, configured, content):
    """Post to one address; return [word of its state, response, advice], in none of which the token
    is.
    """
    token = configured.get("token") or ""
    headers = {"Content-Type": "application/json", "User-Agent": "xsraid"}
    if configured.get("header"):
        name, _, value = configured["header"].partition(":")
        headers[name.strip()] = value.strip().replace(TOKEN, token)
    found = urlparse.urlsplit(url.replace(TOKEN, token))
    path = (found.path or "/") + ("?" + found.query if found.query else "")
    try:
        # Python 2 has `context` from 2.7.9 on, and as CentOS patches it.
        options = {"timeout": STEP_S, "context": _context(host)}
        connection = httplib.HTTPSConnection(found.hostname, found.port or 443, **options)
        try:
            connection.request("POST", path, to_bytes(content), headers)
            answer = connection.getresponse()
            text = _said(answer)
        finally:
            connection.close()
    # On Python 2 the second is no kind of the first.
    except (ssl.SSLError, ssl.CertificateError) as error:
        return [
            LATER,
            _hidden("TLS fails: %s" % error, token),
            "Its certificate must be of the name in the address and signed by an authority that "
            "this host's bundle has.",
        ]
    except (EnvironmentError, httplib.HTTPException, ValueError) as error:
        kind = "no answer in time" if isinstance(error, socket.timeout) else "no answer"
        return [LATER, _hidden("%s: %s" % (kind, error), token), UNREACHED]
    return [
        _word(answer.status),
        _hidden(" ".join(("%d %s %s" % (answer.status, answer.reason, text)).split()), token),
        _advice(answer.status),
    ]


def _said(answer):
    """Return how an answer begins; one that is cut off has been given all the same."""
    try:
        return native(answer.read(ANSWER_BYTES))
    except (EnvironmentError, httplib.HTTPException):
        return ""


def _context(host):
    """Return what checks certificates with the bundle of this host. Raises ValueError where this
    Python cannot.
    """
    if not hasattr(ssl, "create_default_context"):
        raise ValueError("this Python cannot check certificates")
    bundle = next(
        (host.path(path) for path in mail.CA_BUNDLES if host.read_if_there(path) is not None), None
    )
    return ssl.create_default_context(cafile=bundle)


def _word(status):
    if 200 <= status < 300:
        return ACCEPTED
    return REFUSED if 300 <= status < 500 and status not in LATER_CODES else LATER


def _advice(status):
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return (
            "It redirects, which is not followed: give the address that it leads to as "
            "webhook_urls."
        )
    if status in (401, 403):
        return "It wants a token that is right: check webhook_header and webhook_token_secret."
    if status in (404, 405, 410):
        return (
            "There is no webhook at this address, or no longer: make one there, and give its "
            "address as webhook_urls."
        )
    if _word(status) == LATER:
        return "It refuses for now; it is tried again."
    return "It does not take what was posted: its operator can tell why."


def _hidden(text, token):
    """Return text on one line without the token, whoever has repeated it."""
    return printable(text.replace(token, "***") if token else text, 300).replace("\n", " ")
