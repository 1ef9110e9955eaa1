"""The inventory: which pools there are, an INI file that people write. It never holds a password.

[lab] address = https://lab-master.example.com
user = monitor                        ; root
ca_file = /etc/ssl/lab.pem            ; the authorities that this machine knows
fingerprint = AA:BB:...               ; none; several with commas between them
hosts = lab1, lab2                    ; all
"""

from __future__ import absolute_import

import collections
import io
import os
import re

from xsraid.text import PYTHON_2
from xsraid_cli import formats
from xsraid_cli.problems import USAGE, Problem
from xsraid_cli.remote import certificates, pool, transport

if PYTHON_2:
    from ConfigParser import Error, MissingSectionHeaderError, ParsingError, RawConfigParser
else:
    from configparser import Error, MissingSectionHeaderError, ParsingError, RawConfigParser

PATH = "~/.config/xsraid/pools.ini"
KEYS = ("address", "user", "ca_file", "fingerprint", "hosts")
PASSWORD_ADVICE = (
    "Passwords come from a prompt, --password-fd or the keyring library, never from this file."
)

# name: of the pool, None if none is needed; address: None for the host this runs on;
# fingerprints, hosts: tuples, empty for any and all, hosts (None,) for the only host or this one.
Entry = collections.namedtuple("Entry", "name address user ca_file fingerprints hosts")


def load(path=None):
    """Return the Entries of an inventory, in the file's order. path: None for the usual one. Raises
    Problem, naming file and line.
    """
    path = os.path.expanduser(path or PATH)
    try:
        with io.open(path, encoding="utf-8") as source:
            text = source.read()
    except (EnvironmentError, ValueError) as error:
        raise Problem(
            "The inventory %s cannot be read: %s."
            % (path, getattr(error, "strerror", None) or error),
            "Write one: [NAME], and below it address = https://MASTER, for each pool. Or name "
            "another with --inventory.",
            USAGE,
        )
    return parse(text, path)


def parse(text, path):
    """Return the Entries of an inventory's text. Raises Problem."""
    parser = RawConfigParser(
        **({} if PYTHON_2 else {"inline_comment_prefixes": (";",), "default_section": "\n"})
    )
    try:
        getattr(parser, "readfp" if PYTHON_2 else "read_file")(io.StringIO(text), path)
    except Error as error:
        raise _refused(path, _line_of_error(error), _said(error))
    if not parser.sections():
        raise _refused(
            path,
            1,
            "it names no pool",
            "Write [NAME], and below it address = https://MASTER, for each pool.",
        )
    return [_entry(parser, section, text, path) for section in parser.sections()]


def _entry(parser, section, text, path):
    """Return the Entry of a section. Raises Problem."""
    values = {key: formats.plain(value).strip() for key, value in parser.items(section)}
    for key in sorted(values):
        line = _line_of(text, section, key)
        if key not in KEYS:
            raise _refused(
                path,
                line,
                "unknown key %s" % key,
                PASSWORD_ADVICE if "password" in key else "Known are: %s." % ", ".join(KEYS),
            )
        if not values[key]:
            raise _refused(path, line, "%s is empty" % key, "Give a value, or leave the key out.")
    if "address" not in values:
        raise _refused(
            path,
            _line_of(text, section),
            "[%s] has no address" % section,
            "Write address = https://MASTER.",
        )
    try:
        address = "%s://%s" % transport.url(values["address"])
        key = "fingerprint"
        fingerprints = tuple(certificates.normal(each) for each in _split(values.get(key, "")))
    except Problem as problem:
        raise _refused(
            path,
            _line_of(text, section, "fingerprint" if "fingerprint" in problem.what else "address"),
            problem.what,
            problem.advice,
        )
    ca_file = os.path.expanduser(values["ca_file"]) if "ca_file" in values else None
    return Entry(
        section,
        address,
        values.get("user", pool.ROOT),
        ca_file,
        fingerprints,
        tuple(_split(values.get("hosts", ""))),
    )


def _split(text):
    return [part.strip() for part in text.split(",") if part.strip() not in ("", "all")]


def _line_of(text, section, key=None):
    """Return the number of the line where a section, or a key in it, stands."""
    at_section = False
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\[(.*)\]", line)
        if header:
            at_section = header.group(1) == section
            if at_section and key is None:
                return number
        elif at_section and re.match(r"%s\s*[=:]" % re.escape(key or ""), line, re.IGNORECASE):
            return number
    return 1


def _line_of_error(error):
    """Return the line that configparser's error is about."""
    if isinstance(error, ParsingError) and not isinstance(error, MissingSectionHeaderError):
        return error.errors[0][0]
    return getattr(error, "lineno", None) or 1


def _said(error):
    if isinstance(error, MissingSectionHeaderError):
        return "a key stands before the first [NAME]"
    if isinstance(error, ParsingError):
        return "this is neither [NAME] nor KEY = VALUE"
    return "%s is there twice" % (
        getattr(error, "option", None) or "[%s]" % getattr(error, "section", "?")
    )


def _refused(path, line, what, advice=""):
    return Problem("%s, line %d: %s." % (path, line, what.rstrip(".")), advice, USAGE)
