"""The few defaults that a host may set, in /etc/xsraid.conf."""

from __future__ import absolute_import

import collections
import io
import re
import syslog

try:
    from configparser import Error, RawConfigParser
except ImportError:  # Python 2 without the backport
    from ConfigParser import Error, RawConfigParser

from xsraid.errors import NotConfigured
from xsraid.host.files import COMMAND_LIMIT_S, LOG_LEVELS
from xsraid.text import shown, to_bytes

PATH = "/etc/xsraid.conf"
# check_every_days: 0 for never; check_hours: (first, end) hour of the day; check_min_kib_s,
# check_max_kib_s: a check's speed on each member.
Settings = collections.namedtuple(
    "Settings",
    "smtp_timeout_s mdadm_timeout_s boot_wait_s reminder_s check_every_days check_hours "
    "check_min_kib_s check_max_kib_s log_level",
)
HOURS = r"([01]?[0-9]|2[0-3]) *- *([01]?[0-9]|2[0-4])\Z"


def load(host):
    """Return the Settings of this host and set its log level. Raises NotConfigured, naming file,
    section and key.
    """
    text = host.read_if_there(PATH)
    parser = RawConfigParser()
    try:
        _read(parser, text or "")
    except Error as error:
        raise NotConfigured("%s cannot be read" % PATH, " ".join(str(error).split()))
    values = {}
    for section in parser.sections():
        for key, value in parser.items(section):
            values[(section, key)] = value
    settings = _settings(values)
    for section, key in sorted(values):
        raise NotConfigured(
            "%s, section [%s]: unknown key %s" % (PATH, section, key),
            "Known are: [mail] smtp_timeout_s, [mdadm] timeout_s, [boot] wait_s, [alerts] "
            "reminder_hours, [check] every_days, hours, speed_min_mib_s, speed_max_mib_s, [log] "
            "level.",
        )
    host.log_level, host.command_limit_s = LOG_LEVELS[settings.log_level], settings.mdadm_timeout_s
    return settings


def load_or_default(host):
    """Return the Settings of this host, the defaults where the file is no good: no slip in it may
    keep arrays from being assembled at boot.
    """
    try:
        return load(host)
    except NotConfigured as error:
        host.log(str(error), syslog.LOG_ERR)
        return _settings({})


def _settings(values):
    """Return Settings from {(section, key): text}, and take away what is used."""
    return Settings(
        smtp_timeout_s=_seconds(values, ("mail", "smtp_timeout_s"), 30),
        mdadm_timeout_s=_seconds(values, ("mdadm", "timeout_s"), COMMAND_LIMIT_S),
        boot_wait_s=_seconds(values, ("boot", "wait_s"), 30),
        reminder_s=3600 * _whole(values, ("alerts", "reminder_hours"), 24, 0, 1000, "hours"),
        check_every_days=_whole(values, ("check", "every_days"), 28, 0, 1000, "days"),
        check_hours=_hours(values, ("check", "hours"), "1-6"),
        check_min_kib_s=1024 * _whole(values, ("check", "speed_min_mib_s"), 1, 1, 9999, "MiB/s"),
        check_max_kib_s=1024 * _whole(values, ("check", "speed_max_mib_s"), 100, 1, 9999, "MiB/s"),
        log_level=_choice(values, ("log", "level"), "info", LOG_LEVELS),
    )


def _read(parser, text):
    content = io.StringIO(to_bytes(text).decode("utf-8", "replace"))
    if hasattr(parser, "read_file"):
        parser.read_file(content, PATH)
    else:
        parser.readfp(content, PATH)


def _seconds(values, where, default):
    return _whole(values, where, default, 1, 3600, "seconds")


def _whole(values, where, default, least, most, unit):
    value = values.pop(where, str(default))
    if not re.match(r"[0-9]{1,4}\Z", value) or not least <= int(value) <= most:
        _refuse(where, value, "a whole number of %s from %d to %d" % (unit, least, most))
    return int(value)


def _hours(values, where, default):
    value = values.pop(where, default)
    match = re.match(HOURS, value)
    if not match or int(match.group(1)) == int(match.group(2)):
        _refuse(where, value, "two hours of the day, such as 1-6")
    return int(match.group(1)), int(match.group(2))


def _choice(values, where, default, choices):
    value = values.pop(where, default)
    if value not in choices:
        _refuse(where, value, "one of %s" % ", ".join(sorted(choices)))
    return value


def _refuse(where, value, wanted):
    raise NotConfigured(
        "%s, section [%s], key %s: %s is not valid" % (PATH, where[0], where[1], shown(value)),
        "It takes %s." % wanted,
    )
