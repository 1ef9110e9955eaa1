"""The settings of this host's alerts: in the files that mdadm and ssmtp read, and in XAPI, where
they survive an upgrade of dom0 and reach every host of the pool. `deliver` delivers with them.
"""

from __future__ import absolute_import

import collections
import json
import re
import time

from xsraid import arguments
from xsraid.alerts import mail, monitor
from xsraid.errors import BadArgument
from xsraid.host import store
from xsraid.md import state as md_state
from xsraid.md.levels import is_redundant
from xsraid.text import native, natively, shown
from xsraid.xapi import objects

# In other_config of a host, or of the pool for every host that has none: the settings, the password
# as its secret's uuid.
KEY = "xsraid-alerts"
SECRET_ADVICE = (
    "make a secret with `xe secret-create value=...` and give its uuid as smtp_password_secret"
)
# What a setting is that is missing in XAPI: another release has put them there. Those beyond these
# are left alone.
DEFAULTS = {
    "smtp_port": 587,
    "smtp_security": "starttls",
    "smtp_user": None,
    "smtp_password_secret": None,
    "xapi_messages": True,
    "webhook_urls": None,
    "webhook_header": None,
    "webhook_token_secret": None,
    "xo_alarms": None,
}
# What the pool's other_config may hold for XAPI's own mail-alarm (xen-api, scripts/mail-alarm), and
# which setting that is.
MAIL_ALARM = {
    "mail_to": "mail-destination",
    "mail_from": "mail-sender",
    "smtp_host": "ssmtp-mailhub",
}
MAIL_ALARM_PRIORITY = ("mail-min-priority", 3)  # its key, and what holds without it
# Of a pool's mail server; mail-alarm itself asks for no TLS.
SECURITY_BY_PORT = {465: "tls", 587: "starttls"}


def is_restorable(host, session):
    """Return whether XAPI keeps settings for this host that are not those that this dom0 has."""
    scope, wanted = kept_settings(session, objects.this_host(host, session))
    return scope is not None and (store.read(host, store.ALERTS) or {}).get("applied") != wanted


def restore(host, session):
    """Apply the settings that XAPI keeps, where they are not those that this dom0 has; return what
    was done. The caller holds the lock.

    So it is after an upgrade of dom0, on a host that has joined a pool, and on one that was down
    when the pool was configured.
    """
    if not is_restorable(host, session):
        return []
    scope, wanted = kept_settings(session, objects.this_host(host, session))
    password, _ = password_of(session, wanted["smtp_user"], wanted["smtp_password_secret"])
    apply_settings(host, wanted, password, token_of(session, wanted))
    return [
        "applied the alert settings that XAPI keeps for the %s: mail to %s through %s"
        % (scope, wanted["mail_to"], wanted["smtp_host"])
    ]


def read_settings(host, session):
    """Return the settings that are in force, None for each that is not set."""
    configuration = md_state.read_configuration(host)
    ssmtp = mail.directives(host.read_if_there(mail.CONFIGURATION) or "")
    server, _, port = ssmtp.get("mailhub", "").partition(":")
    use_tls, use_starttls = [
        ssmtp.get(key, "").upper() == "YES" for key in ("usetls", "usestarttls")
    ]
    scope, kept = kept_settings(session, objects.this_host(host, session))
    webhook = store.read(host, store.WEBHOOK) or {}
    security = "none"
    if use_starttls:
        security = "starttls"
    elif use_tls:
        security = "tls"
    return collections.OrderedDict(
        [
            ("mail_to", configuration.first("MAILADDR")),
            ("mail_from", configuration.sender()),
            ("smtp_host", server or None),
            ("smtp_port", _port(server, port)),
            ("smtp_security", security),
            ("smtp_user", ssmtp.get("authuser") or None),
            ("smtp_password_set", bool(ssmtp.get("authpass"))),
            ("xapi_messages", kept is None or kept["xapi_messages"]),
            ("webhook_urls", ",".join(webhook.get("urls", [])) or None),
            ("webhook_header", webhook.get("header")),
            ("webhook_token_set", bool(webhook.get("token"))),
            ("xo_alarms", bool(kept and kept["xo_alarms"])),
            ("scope", scope),
        ]
    )


def _port(server, text):
    if text.isdigit():
        return int(text)
    return mail.SMTP_PORT if server else None


def wants_messages(session, here):
    """Return whether a host shall also alert in XenCenter: yes unless configure_alerts said no, and
    where what it said is spoilt.
    """
    try:
        _, kept = kept_settings(session, here)
    except BadArgument:
        return True
    return kept is None or kept["xapi_messages"]


def wanted_settings(session, given):
    """Return the settings as they were given, what was left out as the pool has it for its own
    mail-alarm, else the default. Raises BadArgument.
    """
    config = objects.pool(session)["other_config"]
    pools = {name: native(config.get(key, "")).strip() for name, key in MAIL_ALARM.items()}
    server, _, port = pools["smtp_host"].partition(":")
    if given["smtp_host"] is None and server:
        pools["smtp_host"] = server
        given["smtp_port"] = given["smtp_port"] or _checked(
            "smtp_port", port or "25", "ssmtp-mailhub"
        )
        given["smtp_security"] = given["smtp_security"] or SECURITY_BY_PORT.get(
            given["smtp_port"], "none"
        )
    for name in ("mail_to", "mail_from", "smtp_host"):
        if given[name] is None and not pools[name]:
            kind = arguments.ALERTS[name]
            raise BadArgument(
                name,
                "is missing, and the pool's other_config has no %s either; it takes %s, such as "
                "%s=%s" % (MAIL_ALARM[name], kind.shape, name, kind.example),
            )
        given[name] = given[name] or _checked(name, pools[name], MAIL_ALARM[name])
    for name in ("smtp_port", "smtp_security"):
        given[name] = given[name] or DEFAULTS[name]
    return given


def _checked(name, text, key):
    try:
        return arguments.ALERTS[name](text)
    except ValueError as error:
        raise BadArgument(
            name,
            "was left out, and what the pool's other_config has as %s does not serve: it %s"
            % (key, error),
        )


def kept_settings(session, here):
    """Return (scope, settings) that XAPI keeps for a host: its own, else the pool's, else (None,
    None).

    Whoever may change an other_config may have written them: they are checked as a caller's
    arguments are. Raises BadArgument.
    """
    for scope, config in (
        ("host", session.xenapi.host.get_other_config(here)),
        ("pool", objects.pool(session)["other_config"]),
    ):
        if KEY in config:
            return scope, _understood(native(config[KEY]), scope)
    return None, None


def _understood(text, scope):
    try:
        found = dict(DEFAULTS, **natively(json.loads(text)))
        settings = {}
        for name, kind in arguments.ALERTS.items():
            settings[name] = None
            if found[name] is not None:
                settings[name] = kind(_as_argument(found[name]))
        if settings["mail_to"] and settings["mail_from"] and settings["smtp_host"]:
            return settings
        why = "an address or the mail server is missing"
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        why = str(error)
    raise BadArgument(
        KEY,
        "in the %s's other_config is not what configure_alerts writes there (%s): call "
        "configure_alerts again" % (scope, shown(why)),
    )


def _as_argument(value):
    if not isinstance(value, (str, int)):
        raise ValueError("%s is neither text nor a number" % value)
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def keep_settings(host, session, wanted, scope):
    """Have XAPI keep the settings: for this host, or for the pool, of which then no host has any of
    its own.
    """
    if scope == "host":
        here = objects.this_host(host, session)
        text = _with_those_of_others(session.xenapi.host.get_other_config(here), wanted)
        objects.set_other_config(session.xenapi.host, here, KEY, text)
        return
    pool = objects.pool(session)
    objects.set_other_config(
        session.xenapi.pool, pool["ref"], KEY, _with_those_of_others(pool["other_config"], wanted)
    )
    for ref, record in session.xenapi.host.get_all_records().items():
        if KEY in record["other_config"]:
            session.xenapi.host.remove_from_other_config(ref, KEY)


def _with_those_of_others(config, wanted):
    """Return the settings as XAPI keeps them, with those that a newer release has put there.
    config: the other_config that they are in.
    """
    try:
        before = natively(json.loads(native(config.get(KEY, "{}"))))
        others = {name: value for name, value in before.items() if name not in arguments.ALERTS}
    except (AttributeError, ValueError):  # whatever it is, it is none of ours
        others = {}
    return json.dumps(dict(others, **wanted))


def apply_settings(host, wanted, password, token, keep=None):
    """Put the settings into this host's files and let its monitor run. keep: called when the files
    are written but not yet in their places.
    """
    mailhub = "%s:%d" % (wanted["smtp_host"], wanted["smtp_port"])
    staged = []
    try:
        ssmtp = mail.with_directives(
            host.read_if_there(mail.CONFIGURATION) or "",
            mail.wanted_directives(host, wanted, password),
        )
        staged.append(host.stage(mail.CONFIGURATION, ssmtp, 0o640, "mail"))
        aliases = mail.with_alias(
            host.read_if_there(mail.REVALIASES) or "", "root", wanted["mail_from"], mailhub
        )
        staged.append(host.stage(mail.REVALIASES, aliases))
        configuration = md_state.read_configuration(host)
        configuration.set_word("MAILADDR", wanted["mail_to"])
        configuration.set_word("MAILFROM", wanted["mail_from"])
        staged.append(host.stage(md_state.CONFIGURATION, configuration.text()))
        if keep:
            keep()
        for file in staged:
            file.commit()
        _note_webhook(host, wanted, token)
        store.write(host, store.ALERTS, {"applied": wanted})
    finally:
        for file in staged:
            file.discard()
    monitor.enable(host, restart=is_watchable(md_state.read_arrays(host)))


def _note_webhook(host, wanted, token):
    """Have the webhook's settings on this host, as its token must be there while xapi does not
    answer. The time says that they were written anew.
    """
    if wanted["webhook_urls"] is None:
        store.remove(host, store.WEBHOOK)
        return
    store.write(
        host,
        store.WEBHOOK,
        {
            "urls": wanted["webhook_urls"].split(","),
            "header": wanted["webhook_header"],
            "token": token,
            "time": time.time(),
        },
    )


def is_watchable(records):
    """Return whether there is an array that mdadm's monitor watches: one that runs and has
    redundancy.
    """
    return any(is_redundant(record.level) for record in records)


def password_of(session, smtp_user, secret):
    """Return (password or None, warnings)."""
    if (smtp_user is None) != (secret is None):
        missing = "smtp_user" if smtp_user is None else "smtp_password_secret"
        raise BadArgument(
            missing, "a login takes both smtp_user and smtp_password_secret; " + SECRET_ADVICE
        )
    if secret is None:
        return None, []
    return mail.carried_password(
        native(session.xenapi.secret.get_value(session.xenapi.secret.get_by_uuid(secret)))
    )


def token_of(session, wanted):
    """Return the webhook's token, None if it has none. Raises BadArgument for settings of which one
    needs another.
    """
    places = [wanted[name] or "" for name in ("webhook_urls", "webhook_header")]
    if wanted["webhook_urls"] is None and (
        wanted["webhook_header"] or wanted["webhook_token_secret"]
    ):
        raise BadArgument(
            "webhook_urls",
            "is missing: webhook_header and webhook_token_secret are of no use without",
        )
    is_placed = any("{token}" in place for place in places)
    if is_placed != (wanted["webhook_token_secret"] is not None):
        raise BadArgument(
            "webhook_token_secret",
            "and {token} in webhook_urls or webhook_header belong together; "
            + SECRET_ADVICE.replace("smtp_password_secret", "webhook_token_secret"),
        )
    if not is_placed:
        return None
    token = native(
        session.xenapi.secret.get_value(
            session.xenapi.secret.get_by_uuid(wanted["webhook_token_secret"])
        )
    )
    if not re.match(r"[!-~]{1,500}\Z", token):
        raise BadArgument(
            "webhook_token_secret",
            "the token holds blanks, line breaks or characters that are not ASCII, or is empty",
        )
    return token
