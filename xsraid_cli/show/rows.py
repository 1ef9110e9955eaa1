"""The answers of many hosts as lines for people, as JSON, and as an exit status."""

from __future__ import absolute_import, unicode_literals

import collections
import json

from xsraid_cli import formats
from xsraid_cli.problems import DEGRADED, DONE, FAILED
from xsraid_cli.show import health, layout, replies, versions
from xsraid_cli.show.layout import Cell
from xsraid_cli.table.commands import as_typed
from xsraid_cli.table.parser import STATUS

VERSION = "version"
COLUMNS = ["array", "level", "size", "health", "survives", "sr"]


def lines(answers, function):
    """Return the lines of everywhere.Answers to a function of the plugin. Whoever did not answer
    has a row of its own, below the others.
    """
    answered = [each for each in answers if each.problem is None]
    shown = {STATUS: _arrays, VERSION: _versions}.get(function, _blocks)(answered)
    failed = [each for each in answers if each.problem is not None]
    rows = [(_name(each), Cell(_told(each.problem), "bad")) for each in failed]
    return layout.joined([shown, layout.facts(rows)])


def warnings(answers):
    """Return the sentences that the replies warn with, each with its host before it."""
    return [
        "%s: %s" % (_name(each), as_typed(sentence))
        for each in answers
        for reply in each.replies
        for sentence in reply.get("warnings", ())
    ]


def status(answers, function):
    """Return the exit status."""
    if any(each.problem for each in answers):
        return FAILED
    is_well = all(
        health.is_well(array)
        for each in answers
        for reply in each.replies
        for array in reply.get("arrays", ())
    )
    return DONE if function != STATUS or is_well else DEGRADED


def as_json(answers):
    """Return one JSON object, {host: reply or {"failure": [...]}}, of many pools {pool: {host: ...}
    or {"failure": [...]}}.
    """
    pools = collections.OrderedDict()
    for each in answers:
        hosts = pools.setdefault(each.pool, collections.OrderedDict())
        value = {"failure": each.failure} if each.problem else each.replies[0]
        if each.host is None:
            pools[each.pool] = value
        else:
            hosts[each.host.name if each.host.name not in hosts else each.host.uuid] = value
    if set(pools) <= {None}:
        pools = pools.get(None, {})
    return formats.unicode_text(json.dumps(pools, separators=(", ", ": ")))


def _name(answer):
    """Return what a row is called by: its host, of many pools with the pool before it."""
    parts = [answer.pool]
    if answer.host:
        parts.append(answer.host.name)
    return " ".join(formats.plain(part) for part in parts if part is not None)


def _told(problem):
    return " ".join(formats.unicode_text(part) for part in (problem.what, problem.advice) if part)


def _arrays(answers):
    """Return a table of all arrays, what is to be said of single ones, and who has none."""
    rows, more, without = [], [], []
    for each in answers:
        records = each.replies[0].get("arrays", ())
        for record in records:
            rows.append(
                [_name(each)] + replies.row(record, _survives(record.get("redundancy_left")))
            )
            more += [
                [Cell(_name(each), None)] + line
                for line in replies.sync(record) + replies.remarks(record)
            ]
        without += [] if records else [_name(each)]
    blocks = []
    if rows:
        blocks.append(layout.table(["host"] + COLUMNS, rows) + more)
    if without:
        blocks.append(layout.paragraph("No arrays on %s." % ", ".join(without)))
    return layout.joined(blocks)


def _survives(count):
    """Return what words.failures does, shorter."""
    if count is None:
        return "-"
    return "%s failure%s" % (count or "no", "" if count in (0, 1) else "s")


def _versions(answers):
    """Return a row for each host, and what to do where a plugin is of another version than this
    command line.
    """
    rows = [
        [
            _name(each),
            formats.plain(each.replies[0].get("version")),
            formats.plain(each.replies[0].get("python")),
        ]
        for each in answers
    ]
    shown = layout.table(["host", "version", "python"], rows) if rows else []
    for each in answers:
        sentences = [
            part
            for part in versions.compared(each.replies[0].get("version", ""), _name(each))
            if part
        ]
        shown += layout.paragraph(" ".join(sentences)) if sentences else []
    return shown


def _blocks(answers):
    """Return each reply as a host alone has it, under the host's name."""
    shown = []
    for each in answers:
        shown += (
            ([[]] if shown else [])
            + [[Cell(_name(each) + ":", None)]]
            + replies.reply(each.replies[0])
        )
    return shown
