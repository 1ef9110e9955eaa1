"""SMART: what a disk says of its own health, where this host has smartctl, and what of that is worth an alert."""

from __future__ import absolute_import

import collections
import re

from xsraid.commands import find_tool, run
from xsraid.errors import CommandFailed, Timeout

LIMIT_S = 2  # a dying disk may take for ever, and the alert waits for it
EXAMINE_LIMIT_S = 20  # nobody waits for this one
VERDICT = r"(?:self-assessment test result|SMART Health Status): *(.+)"  # ATA's and SCSI's words, smartctl(8)
GOOD = ("PASSED", "OK")
# Each count: where ATA (by the attribute's number), SCSI and NVMe tell it.
COUNTS = collections.OrderedDict([
    ("pending_sectors", (r"^ *197 .* (\d+)(?: \(.*\))? *$",)),
    ("reallocated_sectors", (r"^ *5 .* (\d+)(?: \(.*\))? *$", r"^Elements in grown defect list: *(\d+)")),
    ("media_errors", (r"^Media and Data Integrity Errors: *([\d,]+)",))])
AT_FIRST = ("pending_sectors", "media_errors")  # worth telling when first seen; a few sectors reallocated long ago are not
TOLD_AGAIN_S = 24 * 3600  # a count that grows every hour is told of once a day


def verdict(host, device):
    """Return what `smartctl -H` says of a disk's health, such as PASSED or FAILED!; None where it has no say."""
    return _verdict(_ask(host, ["-H", device], LIMIT_S))


def examine(host, device):
    """Return {"verdict", "pending_sectors", "reallocated_sectors", "media_errors"} of a disk, None where it has no say or sleeps.

    What it does not count is None.
    """
    said = _ask(host, ["-n", "standby", "-H", "-A", device], EXAMINE_LIMIT_S)
    found = [("verdict", _verdict(said))] + [(name, _count(said, patterns)) for name, patterns in COUNTS.items()]
    return collections.OrderedDict(found) if any(value is not None for _, value in found) else None


def findings(known, seen, now):
    """Return (what is new about a disk in words, what to remember of it).

    known: what was remembered before, {} for nothing: the keys of `seen` as they were when told of, and told_at; seen: of `examine`.
    """
    sentences = []
    if _is_bad(seen["verdict"]) and not _is_bad(known.get("verdict")):
        sentences.append("its own verdict is %s" % seen["verdict"])
    is_free = not 0 <= now - known.get("told_at", 0) < TOLD_AGAIN_S
    before = {name: known.get(name) for name in COUNTS}
    for name, count in [(name, seen[name]) for name in COUNTS if seen[name] is not None]:
        if before[name] is None or count < before[name]:  # another disk, or one that has been repaired
            before[name] = 0 if name in AT_FIRST and before[name] is None else count
        if count > before[name] and (is_free or sentences):
            sentences.append("%s: %d, %d more than before" % (name.replace("_", " "), count, count - before[name]))
            before[name] = count
    remembered = dict(before, verdict=seen["verdict"] if seen["verdict"] is not None else known.get("verdict"),
                      told_at=now if sentences else known.get("told_at", 0))
    return sentences, remembered


def _is_bad(word):
    return word is not None and word not in GOOD


def _ask(host, words, limit_s):
    """Return what smartctl says, nothing where there is none or it takes too long. Its exit status tells of faults long past, too: no matter."""
    if find_tool(host, "smartctl") is None:
        return ""
    try:
        return run(host, ["smartctl"] + words, limit_s, accept=None).out
    except (CommandFailed, Timeout):
        return ""


def _verdict(said):
    found = re.search(VERDICT, said)
    word = found.group(1).strip() if found else "UNKNOWN!"
    return None if word.startswith("UNKNOWN") else word


def _count(said, patterns):
    for pattern in patterns:
        found = re.search(pattern, said, re.MULTILINE)
        if found:
            return int(found.group(1).replace(",", ""))
    return None
