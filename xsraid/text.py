"""Text as it crosses the edges of the program: in as bytes of a file or of XML-RPC, out as a reply,
a log line or a command to read.

Inside, text is the interpreter's own `str`: UTF-8 bytes on Python 2, Unicode on Python 3, where
bytes that are no UTF-8 survive as surrogates.
Either way a file that is read and written back keeps every byte of the lines that nobody touched.
"""

from __future__ import absolute_import

import binascii
import os
import re
import sys

PYTHON_2 = sys.version_info[0] == 2
UNICODE = type(b"".decode("ascii"))
PLAIN_WORD = r"^[A-Za-z0-9_@%+=:,./-]+\Z"

# Control characters but for line end and tab, which XML and a terminal could not bear.
UNPRINTABLE = dict.fromkeys(
    [code for code in list(range(32)) + list(range(127, 160)) if code not in (9, 10)], ord("?")
)


def native(value):
    """Return bytes or Unicode text as this interpreter's `str`."""
    if isinstance(value, str):
        return value
    return value.encode("utf-8") if PYTHON_2 else value.decode("utf-8", "surrogateescape")


def natively(value):
    """Return what JSON gave, with all its text as this interpreter's `str`."""
    if isinstance(value, dict):
        return {native(key): natively(part) for key, part in value.items()}
    if isinstance(value, list):
        return [natively(part) for part in value]
    return native(value) if isinstance(value, UNICODE) else value


def lines_of(text):
    """Return the lines of what a tool or the kernel tells. str.splitlines would part them at a \\r
    or U+2028 in a name, too.
    """
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]


def to_bytes(value):
    """Return a `str` as the bytes to write to a file."""
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")


def printable(value, limit=None):
    """Return text that fits an XML reply, a log line or an error: no control characters, nothing
    that is not UTF-8, at most `limit` characters.
    """
    text = to_bytes(value).decode("utf-8", "replace")
    if limit and len(text) > limit:
        text = "%s... (%d characters)" % (text[:limit], len(text))
    text = text.translate(UNPRINTABLE)
    return text.encode("utf-8") if PYTHON_2 else text


def random_hex(byte_count):
    """Return random bytes as hexadecimal digits. Not the uuid module: loading it starts ldconfig
    and a compiler on Python 2.7 and 3.6.
    """
    return native(binascii.hexlify(os.urandom(byte_count)))


def shown(value):
    """Return a caller's value in quotes, cut to a length that a sentence bears."""
    return "'%s'" % printable(value, 80).replace("\n", "?").replace("\t", "?")


def command_line(argv):
    """Return an argument list as a person would type it in a shell. For reading only: nothing here
    is ever given to a shell.
    """
    return " ".join(_quoted(word) for word in argv)


def _quoted(word):
    if re.match(PLAIN_WORD, word):
        return word
    return "'%s'" % word.replace("'", "'\\''")


def bare_uuid(uuid):
    """Return the 32 digits of a uuid alone, for comparing."""
    return re.sub("[:. -]", "", uuid).lower()


def md_uuid(uuid):
    """Return 32 hexadecimal digits, however grouped, in mdadm's form: four groups with colons
    between.
    """
    digits = bare_uuid(uuid)
    return ":".join(digits[at : at + 8] for at in range(0, 32, 8))


def same_uuid(one, other):
    """Return whether two spellings (with colons, dashes or neither) are one uuid."""
    return bare_uuid(one) == bare_uuid(other)


def duration(seconds):
    """Return a time in its two largest units, rounded, such as 45 s, 12 min, 3 h 5 min or 2 d 4
    h.
    """
    minutes = int(seconds + 30) // 60
    if seconds < 60:
        return "%d s" % seconds
    if minutes < 60:
        return "%d min" % minutes
    if minutes < 24 * 60:
        return "%d h %d min" % divmod(minutes, 60)
    return "%d d %d h" % divmod((minutes + 30) // 60, 24)
