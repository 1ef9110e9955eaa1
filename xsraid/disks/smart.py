"""SMART: what a disk says of its own health, where this host has smartctl, and what of that is
worth an alert.
"""

from __future__ import absolute_import

import collections
import re

from xsraid.errors import CommandFailed, Timeout
from xsraid.host.process import find_tool, run

LIMIT_S = 2  # a dying disk may take for ever, and the alert waits for it
EXAMINE_LIMIT_S = 20  # nobody waits for this one
# ATA's and SCSI's words, smartctl(8)
VERDICT = r"(?:self-assessment test result|SMART Health Status): *(.+)"
GOOD = ("PASSED", "OK")
# A row of ATA's table; its last column is the raw value.
ATTRIBUTE = r"^ *%d .* (\d+)(?: \(.*\))? *$"
# Each count: where ATA, SCSI and NVMe tell it, and how much of it is worth telling when a disk is
# first looked at. Those limits are where ten times as many disks fail within a year as of those
# that count none (Backblaze's drive statistics, by raw value: reallocated 0: 2.5 %, 1 to 4: 2.7 %,
# 4 to 16: 7.5 %, 16 to 70: 24 %; reported uncorrectable 0: 2.8 %, 1: 34 %; pending 0: 2.6 %, 1: 34
# %; offline uncorrectable likewise). Those of ATA serve for SCSI's grown defects, of which no such
# figures are known; NVMe counts what it could not give back, of which one is too many.
Count = collections.namedtuple("Count", "patterns tell_from")
COUNTS = collections.OrderedDict(
    [
        ("pending_sectors", Count((ATTRIBUTE % 197,), 1)),
        ("offline_uncorrectable_sectors", Count((ATTRIBUTE % 198,), 1)),
        ("reported_uncorrectable_errors", Count((ATTRIBUTE % 187,), 1)),
        (
            "reallocated_sectors",
            Count((ATTRIBUTE % 5, r"^Elements in grown defect list: *(\d+)"), 16),
        ),
        ("media_errors", Count((r"^Media and Data Integrity Errors: *([\d,]+)",), 1)),
    ]
)
TOLD_AGAIN_S = 24 * 3600  # a count that grows every hour is told of once a day


def verdict(host, device):
    """Return what `smartctl -H` says of a disk's health, such as PASSED or FAILED!; None if it
    gives no verdict.
    """
    return _verdict(_ask(host, ["-H", device], LIMIT_S))


def examine(host, device):
    """Return {"verdict", each of COUNTS} of a disk, None if it gives none of them or sleeps. A
    count that it does not keep is None.
    """
    output = _ask(host, ["-n", "standby", "-H", "-A", device], EXAMINE_LIMIT_S)
    found = collections.OrderedDict(verdict=_verdict(output))
    for name, count in COUNTS.items():
        found[name] = _count(output, count.patterns)
    is_known = any(value is not None for value in found.values())
    return found if is_known else None


def findings(known, seen, now):
    """Return (what is new about a disk in words, what to remember of it).

    known: what was remembered before, {} for nothing: the keys of `seen` as they were when told of,
    and told_at; seen: of `examine`.
    """
    sentences = []
    if _is_bad(seen["verdict"]) and not _is_bad(known.get("verdict")):
        sentences.append("its own verdict is %s" % seen["verdict"])
    is_free = not 0 <= now - known.get("told_at", 0) < TOLD_AGAIN_S
    before = {name: known.get(name) for name in COUNTS}
    if "is_judged" not in known:  # up to 0.2 whatever was reallocated at first was taken for normal
        before["reallocated_sectors"] = None
    for name, count in [(name, seen[name]) for name in COUNTS if seen[name] is not None]:
        is_first = before[name] is None
        if is_first or count < before[name]:  # fewer: another disk, or one that has been repaired
            before[name] = 0 if is_first and count >= COUNTS[name].tell_from else count
        if count > before[name] and (is_free or sentences):
            more = ", %d more than before" % (count - before[name]) if not is_first else ""
            sentences.append("%s: %d%s" % (name.replace("_", " "), count, more))
            before[name] = count
    remembered = dict(before, is_judged=True)
    remembered["verdict"] = seen["verdict"]
    if seen["verdict"] is None:
        remembered["verdict"] = known.get("verdict")
    remembered["told_at"] = now if sentences else known.get("told_at", 0)
    return sentences, remembered


def _is_bad(word):
    return word is not None and word not in GOOD


def _ask(host, words, limit_s):
    """Return what smartctl says, nothing if there is none or it takes too long. Its exit status
    tells of faults long past, too: no matter.
    """
    if find_tool(host, "smartctl") is None:
        return ""
    try:
        return run(host, ["smartctl"] + words, limit_s, accept=None).out
    except (CommandFailed, Timeout):
        return ""


def _verdict(output):
    found = re.search(VERDICT, output)
    word = found.group(1).strip() if found else "UNKNOWN!"
    return None if word.startswith("UNKNOWN") else word


def _count(output, patterns):
    for pattern in patterns:
        found = re.search(pattern, output, re.MULTILINE)
        if found:
            return int(found.group(1).replace(",", ""))
    return None
