"""Replies of the plugin as lines for people. What a key of a reply holds decides how it is shown;
one that is not known here is shown, too.
"""

from __future__ import absolute_import, unicode_literals

import itertools

from xsraid.states import MemberState, SyncAction
from xsraid_cli import formats
from xsraid_cli.show import health, layout
from xsraid_cli.show.layout import Cell
from xsraid_cli.table.commands import as_typed

SYNC_NAMES = {SyncAction.RECOVER: "rebuild"}
NO_ARRAYS = (
    "No arrays here. `xsraid disks` shows what they could be made of, `xsraid create --help` how."
)
# Warnings are not for the same stream; that an array is planned shows in its row.
APART = ("warnings", "next", "planned")
# Of an array, shown in its row or right below.
IN_ROW = ("device", "level", "size_bytes", "health", "summary", "redundancy_left", "sync", "sr")
GOOD_VERDICTS = ("PASSED", "OK")  # of smartctl


def reply(parsed, with_commands=False, detailed=False):
    """Return the lines of a reply. with_commands: also what was run; detailed: all that is known of
    its arrays.
    """
    keys = [key for key in parsed if key not in APART and (with_commands or key != "commands")]
    blocks = []
    for is_plain, group in itertools.groupby(keys, lambda key: _view(key, parsed[key]) is None):
        if is_plain:
            blocks.append(
                layout.facts(
                    [(formats.label(key), formats.value(key, parsed[key])) for key in group]
                )
            )
        else:
            blocks += [_block(key, parsed[key], detailed) for key in group]
    if parsed.get("next"):
        blocks.append(layout.paragraph(as_typed(parsed["next"])))
    return layout.joined(blocks)


def _block(key, part, detailed):
    if key == "arrays":
        return arrays(part, detailed)
    return _view(key, part)(part)


def arrays(records, detailed=False):
    """Return the lines of array records, one row each and below it what is not as it should be."""
    if not records:
        return layout.paragraph(NO_ARRAYS)
    rows = [row(record, formats.failures(record.get("redundancy_left"))) for record in records]
    lines = layout.table(["array", "level", "size", "health", "redundancy", "sr"], rows)
    for record in records:
        lines += _summary(record, detailed) + sync(record) + remarks(record)
    return lines + ([[]] + _members(records[0]) if detailed and len(records) == 1 else [])


def row(record, redundancy):
    """Return the cells of an array record: node, level, size, health, redundancy, SR. redundancy:
    it in words, for which tables have unlike room.
    """
    return [
        formats.node(record.get("device")),
        formats.value("level", record.get("level")),
        formats.value("size_bytes", record.get("size_bytes")),
        Cell(formats.plain(record.get("health") or "planned"), health.colour(record)),
        redundancy,
        formats.value("sr", (record.get("sr") or {}).get("name_label")),
    ]


def disks(records):
    """Return the lines of disk records."""
    rows = []
    for record in records:
        facts = [
            formats.value(name, record.get(name)) for name in ("size_bytes", "model", "serial")
        ]
        rows.append([formats.node(record.get("device"))] + facts + [_use(record)])
    return (
        layout.table(["disk", "size", "model", "serial", "use"], rows)
        if rows
        else layout.paragraph("No disks.")
    )


def _use(record):
    if record.get("refusals"):
        details = [formats.plain(refusal.get("detail")) for refusal in record.get("refusals")]
        return Cell("; ".join(sorted(set(details), key=details.index)), None)
    if record.get("stale"):
        return Cell(
            "free with --wipe, still has %s"
            % ", ".join(sorted({formats.plain(part["type"]) for part in record["stale"]})),
            "notice",
        )
    return Cell("free", "good")


def _summary(record, always):
    """Return the lines of what the health of an array means; its row says as much of one that is
    well, its bar of one at work. always: of any.
    """
    is_told = record.get("summary") and (
        always or not record.get("sync") and record.get("health") != health.BEST
    )
    return (
        layout.paragraph(
            "%s: %s" % (formats.node(record.get("device")), formats.plain(record["summary"])), 2
        )
        if is_told
        else []
    )


def sync(record):
    """Return the line of what is under way on an array: a bar, and the time left."""
    known = record.get("sync")
    if not known:
        return []
    ratio, speed, left = (
        known.get("done_ratio"),
        known.get("speed_bytes_s"),
        known.get("remaining_s"),
    )
    parts = [
        "%s %s"
        % (
            formats.node(record.get("device")),
            formats.plain(SYNC_NAMES.get(known.get("action"), known.get("action"))),
        )
    ]
    parts += [] if ratio is None else ["%s %s" % (layout.bar(ratio), formats.percent(ratio))]
    parts += [formats.speed(speed)] if speed else []
    parts += ["%s left" % formats.duration(left)] if left is not None else []
    return [[Cell("  " + "  ".join(parts), None)]]


def remarks(record):
    """Return lines on members that are not what they should be, and on an array that would not come
    back after a reboot.
    """
    lines = []
    for member in record.get("members", ()):
        if member.get("state", MemberState.ACTIVE) not in health.MEMBERS_WELL:
            lines.append(
                [
                    Cell("  %s " % formats.node(record.get("device")), None),
                    Cell(formats.plain(member["state"]), health.member_colour(member)),
                    Cell(": " + _whereabouts(member), None),
                ]
            )
    if not record.get("configured", True):
        lines += layout.paragraph(
            "%s has no line in /etc/mdadm.conf: xsraid adopt %s"
            % ((formats.node(record.get("device")),) * 2),
            2,
        )
    return lines


def _whereabouts(member):
    """Return which disk a member is, and its slot."""
    slot = member.get("slot")
    disk = (
        "%s, serial %s"
        % (formats.node(member["device"]), formats.value("serial", member.get("serial")))
        if member.get("device")
        else "no disk"
    )
    return disk + (", no slot" if slot is None else ", slot %s" % slot)


def _members(record):
    """Return the lines of all members of an array, and of what else is known of it."""
    rows = []
    for member in record.get("members", ()):
        state = formats.plain(member.get("state")) + (
            ", being replaced" if member.get("being_replaced") else ""
        )
        rows.append(
            [
                formats.value("slot", member.get("slot")),
                formats.node(member.get("device")),
                Cell(state, health.member_colour(member)),
            ]
            + [
                formats.value(name, member.get(name))
                for name in ("serial", "errors", "enclosure_slot")
            ]
            + [_smart(member.get("smart"))]
        )
    more = [
        (formats.label(key), formats.value(key, part))
        for key, part in record.items()
        if key not in IN_ROW and _is_plain(part)
    ]
    return (
        layout.table(["slot", "disk", "state", "serial", "errors", "enclosure", "SMART"], rows)
        + [[]]
        if rows
        else []
    ) + layout.facts(more)


def _smart(seen):
    """Return the Cell of what SMART says of a member: its verdict, and what it counts beside
    that.
    """
    if not seen:
        return Cell("-", None)
    counts = [
        "%d %s" % (seen[name], formats.label(name))
        for name in seen
        if name != "verdict" and seen[name]
    ]
    colour = "notice"
    if seen.get("verdict") not in GOOD_VERDICTS + (None,):
        colour = "bad"
    elif seen.get("verdict") and not counts:
        colour = "good"
    return Cell(", ".join([formats.plain(seen.get("verdict"))] + counts), colour)


def _deliveries(records):
    rows = [_delivery(record) for record in records]
    lines = layout.table(["array", "by", "", "seconds", "answer"], rows) if rows else []
    for advice in sorted({record.get("advice") for record in records if record.get("advice")}):
        lines += layout.paragraph(as_typed(advice))
    return lines


def _delivery(record):
    outcome = Cell("not accepted", "bad")
    if record.get("accepted"):
        outcome = Cell("accepted", "good")
    return [
        formats.node(record.get("array")),
        formats.plain(record.get("channel")),
        outcome,
        formats.value("seconds", record.get("seconds")),
        formats.plain(record.get("response")),
    ]


def _history(records):
    rows = []
    for record in records:
        deliveries = [
            (formats.plain(each.get("channel")), formats.plain(each.get("state")))
            for each in record.get("deliveries", ())
        ]
        rows.append(
            [
                formats.value("time", record.get("time")),
                formats.plain(record.get("name")),
                formats.node(record.get("array")),
                formats.node(record.get("disk")),
                ", ".join("%s %s" % delivery for delivery in deliveries),
            ]
        )
    return (
        layout.table(["time", "alert", "array", "disk", "delivered"], rows)
        if rows
        else layout.paragraph("No alerts yet.")
    )


def _commands(given):
    return [[Cell("    " + formats.plain(line), None)] for line in given]


def _is_plain(part):
    """Return whether a part of a reply fits one line after its name; several sentences have one
    each.
    """
    return not isinstance(part, dict) and not (
        isinstance(part, list)
        and any(isinstance(each, (dict, list)) or " " in formats.value("", each) for each in part)
    )


def _view(key, part):
    """Return what shows a part of a reply, None if it fits one line after its name. Where records
    are expected, mere names are none.
    """
    is_name = (
        not isinstance(part, (dict, list))
        or isinstance(part, list)
        and part != []
        and not isinstance(part[0], dict)
    )
    if key in VIEWS and (key == "commands" or not is_name):
        return VIEWS[key]
    return None if _is_plain(part) else _anything


def _anything(part):
    """Return the lines of a part of a reply that nothing is known of, by its form."""
    if isinstance(part, dict):
        lines = []
        for key, each in part.items():
            if _is_plain(each):
                lines += _settings({key: each})
            else:
                lines += layout.paragraph(formats.label(key)) + _anything(each)
        return lines
    if not all(isinstance(each, dict) for each in part):
        return [line for each in part for line in layout.paragraph(formats.value("", each))]
    names = []
    for name in part[0]:
        if all(_is_plain(each.get(name)) for each in part):
            names.append(name)
    rows = []
    for each in part:
        rows.append([formats.value(name, each.get(name)) for name in names])
    return layout.table(list(map(formats.label, names)), rows)


def _settings(given):
    return layout.facts(
        [(formats.label(key), formats.value(key, part)) for key, part in given.items()]
    )


VIEWS = {
    "array": lambda record: arrays([record]),
    "arrays": arrays,
    "disks": disks,
    "deliveries": _deliveries,
    "alerts": _history,
    "settings": _settings,
    "commands": _commands,
}
