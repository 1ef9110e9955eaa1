"""Values of replies in words for people, pure: sizes, times, names. All text in here and beyond is
Unicode, on Python 2 as well.
"""

from __future__ import absolute_import, unicode_literals

from xsraid import text
from xsraid.text import native, printable, to_bytes

KIB, MIB, GIB, TB = 1 << 10, 1 << 20, 1 << 30, 10**12
# The suffix of a name in a reply tells its unit; the longer ones first.
UNITS = ("_bytes_s", "_bytes", "_ratio", "_s")


def unicode_text(value):
    """Return text or bytes as Unicode that can be sent and written; what is no UTF-8 is
    replaced.
    """
    return to_bytes(value).decode("utf-8", "replace")


def plain(value):
    """Return text, or None, as Unicode on one line: nothing that comes from elsewhere moves the
    cursor.
    """
    if value is None:
        return "-"
    return unicode_text(printable(native(value))).replace("\n", " ").replace("\t", " ")


def size(size_bytes):
    """Return a size as 512 KiB, 128 MiB, 931.5 GiB or, as a label on a disk has it, 4.00 TB."""
    if size_bytes < MIB:
        return "%.0f KiB" % (float(size_bytes) / KIB) if size_bytes else "0"
    if size_bytes < GIB:
        return "%.0f MiB" % (float(size_bytes) / MIB)
    return (
        "%.1f GiB" % (float(size_bytes) / GIB)
        if size_bytes < TB
        else "%.2f TB" % (float(size_bytes) / TB)
    )


def speed(bytes_s):
    return "%.0f MB/s" % (bytes_s / 1e6)


def duration(seconds):
    """Return a time such as 45 s, 12 min, 3 h 5 min or 2 d 4 h."""
    return "%s" % text.duration(seconds)


def percent(ratio):
    return "%.1f %%" % (100 * ratio)


FORMS = {"_bytes": size, "_bytes_s": speed, "_s": duration, "_ratio": percent}


def _unit(name):
    return next((unit for unit in UNITS if name.endswith(unit)), "")


def label(name):
    """Return the name of a value as a person reads it: size_bytes is a size."""
    unit = _unit(name)
    return plain(name[: len(name) - len(unit)].replace("_", " "))


def value(name, given):
    """Return a value of a reply, by the unit in its name."""
    if given is None or given == "":
        return "-"
    if isinstance(given, bool):
        return "yes" if given else "no"
    if isinstance(given, (int, float)):
        return FORMS.get(_unit(name), lambda number: "%s" % number)(given)
    if isinstance(given, (list, tuple)):
        return ", ".join(value(name, part) for part in given) or "-"
    return plain(given) if isinstance(given, (bytes, text.UNICODE)) else "%s" % (given,)


def node(device):
    """Return a device, or None, as people say it: /dev/sda is sda."""
    name = (device or "-").replace("/dev/", "", 1)
    return plain(device if "/" in name else name)


def disk_names(record):
    """Return the names by which a disk record can be asked for; None among them where it has not
    got one.
    """
    return (
        record["device"],
        node(record["device"]),
        record["serial"],
        record["wwn"],
        record["by_id"],
    )


def failures(count):
    """Return how many more failures are survived, in words; count: None if that is not known."""
    if count is None:
        return "-"
    if count == 1:
        return "one more failure survived"
    return "%s more failures survived" % (count or "no")
