"""The verbs `configure_alerts`, `apply_alerts` and `get_alerts`. What the settings are, and where
they are kept, is for `alerts.settings`.
"""

from __future__ import absolute_import

import collections

from xsraid.actions import rollback
from xsraid.alerts import monitor, settings, spool
from xsraid.errors import NotConfigured
from xsraid.host import config
from xsraid.md import state as md_state
from xsraid.text import native
from xsraid.xapi import objects, pool_calls

APPLY_LIMIT_S = 60


def configure_alerts(
    host,
    session,
    mail_to,
    mail_from,
    smtp_host,
    smtp_port,
    smtp_security,
    smtp_user,
    smtp_password_secret,
    xapi_messages,
    webhook_urls,
    webhook_header,
    webhook_token_secret,
    xo_alarms,
    scope,
):
    """Write ssmtp.conf, revaliases, MAILADDR and MAILFROM, let the monitor run; return {"settings",
    "monitor", "warnings"}.

    smtp_password_secret, webhook_token_secret: uuid of a XenAPI secret; webhook_urls,
    webhook_header: with {token} where the token stands; scope:
    `pool` for the same on every host of the pool, the reply then has "hosts" as well: what became
    of each. mail_to, mail_from and smtp_host left out are the pool's mail-alarm's. Raises
    BadArgument, CommandFailed, Timeout, Busy, and what XAPI raises; the files change all or not at
    all.
    """
    config.load(host)
    wanted = settings.wanted_settings(
        session,
        collections.OrderedDict(
            [
                ("mail_to", mail_to),
                ("mail_from", mail_from),
                ("smtp_host", smtp_host),
                ("smtp_port", smtp_port),
                ("smtp_security", smtp_security),
                ("smtp_user", smtp_user),
                ("smtp_password_secret", smtp_password_secret),
                ("xapi_messages", xapi_messages),
                ("webhook_urls", webhook_urls),
                ("webhook_header", webhook_header),
                ("webhook_token_secret", webhook_token_secret),
                ("xo_alarms", xo_alarms),
            ]
        ),
    )
    password, warnings = settings.password_of(session, smtp_user, smtp_password_secret)
    token = settings.token_of(session, wanted)
    if password and wanted["smtp_security"] == "none":
        warnings.append("smtp_security=none sends user and password in clear text over the network")
    with rollback.changing(host, "configure_alerts", session):
        settings.apply_settings(
            host,
            wanted,
            password,
            token,
            lambda: settings.keep_settings(host, session, wanted, scope),
        )
    reply = get_alerts(host, session)
    reply["warnings"] = warnings + reply["warnings"]
    if scope == "pool":
        reply["hosts"] = _apply_elsewhere(host, session)
    return reply


def apply_alerts(host, session):
    """Apply the settings that XAPI keeps for this host or for its pool, as configure_alerts does;
    return what get_alerts does.

    Raises NotConfigured where there are none, BadArgument, CommandFailed, Timeout, Busy, and what
    XAPI raises.
    """
    config.load(host)
    scope, wanted = settings.kept_settings(session, objects.this_host(host, session))
    if scope is None:
        raise NotConfigured(
            "XAPI keeps no alert settings for this host or its pool", "Call configure_alerts first."
        )
    password, _ = settings.password_of(session, wanted["smtp_user"], wanted["smtp_password_secret"])
    token = settings.token_of(session, wanted)
    with rollback.changing(host, "apply_alerts", session):
        settings.apply_settings(host, wanted, password, token)
    return get_alerts(host, session)


def get_alerts(host, session):
    """Return {"settings": ..., "monitor": running, stopped or failed, "waiting": how many alerts
    are still to be delivered, "warnings": [...]}, as the files of this host say, without any
    secret.
    """
    current, warnings = settings.read_settings(host, session), []
    running = monitor.state(host)
    if current["mail_to"] is None or current["smtp_host"] is None:
        warnings.append("no mail can be sent yet: call configure_alerts")
    elif running != "running":
        is_needed = settings.is_watchable(md_state.read_arrays(host))
        warnings.append(
            "mdadm's monitor is not running (`systemctl status %s` tells why): nobody would be "
            "alerted" % monitor.SERVICE
            if is_needed
            else "there is no array to watch yet: mdadm's monitor starts with the first"
        )
    return collections.OrderedDict(
        [
            ("settings", current),
            ("monitor", running),
            ("waiting", spool.waiting_count(host)),
            ("warnings", warnings + _mailed_twice(session, current)),
        ]
    )


def _apply_elsewhere(host, session):
    """Let every other host of the pool apply what the pool keeps now; return [{"host",
    "name_label", "applied", "answer"}], this host first.
    """
    here = objects.this_host(host, session)
    records = session.xenapi.host.get_all_records()
    up = [ref for ref in records if ref != here and pool_calls.is_up(session, records[ref])]
    answers = pool_calls.call(session, up, "apply_alerts", APPLY_LIMIT_S)
    answers[here] = ""
    down = "it is down: it applies them when its xapi starts, where xsraid is installed"
    return [
        collections.OrderedDict(
            [
                ("host", records[ref]["uuid"]),
                ("name_label", records[ref]["name_label"]),
                ("applied", answers.get(ref) == ""),
                ("answer", answers.get(ref, down)),
            ]
        )
        for ref in sorted(records, key=lambda ref: (ref != here, records[ref]["name_label"], ref))
    ]


def _mailed_twice(session, current):
    """Return [warning] where the pool's own mail-alarm mails the messages of XAPI to somebody who
    gets the alerts by mail already.
    """
    pools = objects.pool(session)["other_config"]
    addressed = [
        address.strip().lower()
        for address in native(pools.get(settings.MAIL_ALARM["mail_to"], "")).split(",")
    ]
    both = [
        address
        for address in (current["mail_to"] or "").split(",")
        if address and address.lower() in addressed
    ]
    key, usual = settings.MAIL_ALARM_PRIORITY
    if not both or not current["xapi_messages"] or pools.get(key, str(usual)) == "0":
        return []
    return [
        "%s gets each alert twice: the pool's own mail-alarm mails messages of priority %s and "
        "more urgent ones to its mail-destination; xapi_messages=false, or another "
        "mail-destination, stops that" % (", ".join(both), pools.get(key, usual))
    ]
