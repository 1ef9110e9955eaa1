"""The settings of this host's alerts: in the files that mdadm and ssmtp read, and in XAPI, where they survive an upgrade of dom0.

The verbs `configure_alerts` and `get_alerts`. What is delivered with these settings is for `delivery`.
"""

from __future__ import absolute_import

import collections
import json

from xsraid import mail, md, monitor, notes, recovery, xapi
from xsraid import settings as host_settings
from xsraid.errors import BadArgument
from xsraid.levels import LEVELS
from xsraid.text import native

KEY = "xsraid-alerts"  # in the host's other_config: the settings, the password as its secret's uuid
SECRET_ADVICE = "make a secret with `xe secret-create value=...` and give its uuid as smtp_password_secret"


def configure_alerts(host, session, mail_to, mail_from, smtp_host, smtp_port=587, smtp_security="starttls", smtp_user=None,
                     smtp_password_secret=None, xapi_messages=True):
    """Write ssmtp.conf, revaliases, MAILADDR and MAILFROM, let the monitor run; return {"settings", "monitor", "warnings"}.

    smtp_password_secret: uuid of a XenAPI secret. Raises BadArgument, CommandFailed, Timeout, Busy, and what XAPI raises; the files change all
    or not at all.
    """
    limit_s = host_settings.load(host).mdadm_timeout_s
    wanted = collections.OrderedDict([
        ("mail_to", mail_to), ("mail_from", mail_from), ("smtp_host", smtp_host), ("smtp_port", smtp_port), ("smtp_security", smtp_security),
        ("smtp_user", smtp_user), ("smtp_password_secret", smtp_password_secret), ("xapi_messages", xapi_messages)])
    password, warnings = _password(session, smtp_user, smtp_password_secret)
    if password and smtp_security == "none":
        warnings.append("smtp_security=none sends user and password in clear over the network")
    with recovery.changing(host, "configure_alerts", limit_s):
        _apply(host, session, wanted, password)
    reply = get_alerts(host, session)
    reply["warnings"] = warnings + reply["warnings"]
    return reply


def restore(host, session):
    """Apply the settings that XAPI has kept, where this dom0 has never had them; return what was done."""
    kept = session.xenapi.host.get_other_config(xapi.this_host(host, session)).get(KEY)
    if kept is None or notes.read(host, "alerts") is not None:
        return []
    wanted = {native(key): native(value) if isinstance(value, type(u"")) else value for key, value in json.loads(kept).items()}
    password, _ = _password(session, wanted["smtp_user"], wanted["smtp_password_secret"])
    _apply(host, session, wanted, password)
    return ["applied the alert settings that XAPI has kept: mail to %s through %s" % (wanted["mail_to"], wanted["smtp_host"])]


def _apply(host, session, wanted, password):
    here = xapi.this_host(host, session)
    mailhub = "%s:%d" % (wanted["smtp_host"], wanted["smtp_port"])
    staged = []
    try:
        ssmtp = mail.with_directives(host.read_if_there(mail.CONFIGURATION) or "", mail.wanted_directives(host, wanted, password))
        staged.append(host.stage(mail.CONFIGURATION, ssmtp, 0o640, "mail"))
        aliases = mail.with_alias(host.read_if_there(mail.REVALIASES) or "", "root", wanted["mail_from"], mailhub)
        staged.append(host.stage(mail.REVALIASES, aliases))
        configuration = md.read_configuration(host)
        configuration.set_word("MAILADDR", wanted["mail_to"])
        configuration.set_word("MAILFROM", wanted["mail_from"])
        staged.append(host.stage(md.CONFIGURATION, configuration.text()))
        xapi.set_other_config(session.xenapi.host, here, KEY, json.dumps(wanted))
        for file in staged:
            file.commit()
        notes.write(host, "alerts", {})
    finally:
        for file in staged:
            file.discard()
    monitor.enable(host, restart=_is_watchable(md.read_arrays(host)))


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
    return collections.OrderedDict([
        ("mail_to", configuration.first("MAILADDR")),
        ("mail_from", configuration.first("MAILFROM")),
        ("smtp_host", server or None),
        ("smtp_port", int(port) if port.isdigit() else 25 if server else None),
        ("smtp_security", "starttls" if use_starttls else "tls" if use_tls else "none"),
        ("smtp_user", ssmtp.get("authuser") or None),
        ("smtp_password_set", bool(ssmtp.get("authpass"))),
        ("xapi_messages", wants_messages(session, xapi.this_host(host, session))),
    ])


def wants_messages(session, here):
    """Return whether a host shall alert in XenCenter, too: yes unless configure_alerts said no."""
    return json.loads(session.xenapi.host.get_other_config(here).get(KEY, "{}")).get("xapi_messages", True)


def _password(session, smtp_user, secret):
    """Return (password or None, warnings)."""
    if (smtp_user is None) != (secret is None):
        missing = "smtp_user" if smtp_user is None else "smtp_password_secret"
        raise BadArgument(missing, "a login takes both smtp_user and smtp_password_secret; " + SECRET_ADVICE)
    if secret is None:
        return None, []
    return mail.carried_password(native(session.xenapi.secret.get_value(session.xenapi.secret.get_by_uuid(secret))))
