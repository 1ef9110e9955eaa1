"""The versions of this command line and of a plugin, which need not be the same: what differs and
which of the two to update.
"""

from __future__ import absolute_import, unicode_literals

import sys

from xsraid import __version__, functions
from xsraid_cli import formats
from xsraid_cli.show import layout

# The release from which on XenAPI lives in Python 3, and the RPM is the .xs8.
PYTHON_3_FROM = (8, 3)
UPDATE_HERE = "Update this one: yum update xsraid, or pip install --upgrade on a workstation."
UPDATE_THERE = "Update the RPM on that host: yum update xsraid."


def compared(version_there, host_name):
    """Return a sentence on two versions that differ and one that says what to do, both "" if they
    are the same.
    """
    if version_there == __version__:
        return "", ""
    is_older = _numbers(version_there) < _numbers(__version__)
    sentence = "The plugin on %s is %s, %s than this command line, %s." % (
        host_name,
        version_there,
        "older" if is_older else "newer",
        __version__,
    )
    return sentence, UPDATE_THERE if is_older else UPDATE_HERE


def lines(reply, host_name, ask):
    """Return the lines on both versions and, where they differ, on what only one of them knows.
    ask: of a function, returns the parsed reply.
    """
    here = "%s, Python %d.%d.%d" % ((__version__,) + tuple(sys.version_info[:3]))
    there = "%s, Python %s" % (formats.plain(reply["version"]), formats.plain(reply["python"]))
    shown = layout.facts([("this command line", here), ("plugin on %s" % host_name, there)])
    differences = compared(reply["version"], host_name)
    if not any(differences):
        return shown
    names = [function["name"] for function in ask("help", {})["functions"]]
    new = [name for name in names if name not in functions.FUNCTIONS]
    gone = [name for name in functions.FUNCTIONS if name not in names]
    if new:
        shown += layout.facts([("Only the plugin knows", ", ".join(new))])
    if gone:
        shown += layout.facts([("Only this command line knows", ", ".join(gone))])
    return shown + [line for sentence in differences for line in layout.paragraph(sentence)]


def dist(release):
    """Return which RPM a host of that product version needs: .xs7 up to 8.2, .xs8 from 8.3 on."""
    numbers = tuple(int(part) for part in release.split(".")[:2] if part.isdigit())
    if len(numbers) < 2:
        return ".xs8 or .xs7"
    return ".xs8" if numbers >= PYTHON_3_FROM else ".xs7"


def _numbers(version):
    return [_number(part) for part in version.split(".")]


def _number(part):
    return int(part) if part.isdigit() else 0
