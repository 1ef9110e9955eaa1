"""`xsraid create` without arguments: a short dialogue from bare disks to a monitored storage
repository, whose answers become calls of the plugin.
"""

from __future__ import absolute_import, unicode_literals

import re

from xsraid import functions
from xsraid.errors import BadArgument
from xsraid.md.levels import LEVELS, level_name
from xsraid_cli import formats
from xsraid_cli.ask import confirmation, proposals
from xsraid_cli.ask.keys import at_once, pressed
from xsraid_cli.problems import DONE, Problem
from xsraid_cli.remote import pool, secret
from xsraid_cli.show import layout, replies
from xsraid_cli.show.screen import warn
from xsraid_cli.show.watch import INTERVAL_S
from xsraid_cli.table import commands
from xsraid_cli.table.parser import CREATE

CREATE_SR, ALERTS = "create_sr", "configure_alerts"
MEMBERS_MIN = 2
QUIT = ("q", "Q", "\x04")
MAIL = (
    ("mail_to", "Mail for alerts goes to (Enter: none yet): "),
    ("mail_from", "  it comes from: "),
    ("smtp_host", "  mail server: "),
    ("smtp_user", "  its user (Enter: it wants none): "),
)
GOES_ON = "It goes on by itself, and can be used meanwhile: `xsraid status --watch` shows it."


def create(call, err):
    """Ask, show what will be done, do it once a person has agreed, and return the exit status.
    call: main.Call; err: Screen. Raises Problem.
    """
    by_name = {command.function.name: command for command in commands.table()}
    wanted = _array(call, err)
    steps = [(by_name[CREATE], wanted)] + [
        (by_name[name], given)
        for name, given in ((CREATE_SR, _sr(err)), (ALERTS, _mail(call, err)))
        if given
    ]
    _show_plan(call, steps, err)
    confirmation.insist(err, "Go on?")
    device = None
    for command, given in steps:
        reply = _carried_out(call, command, _on(device, given))
        device = reply["array"]["device"] if command.function.name == CREATE else device
        err.show([[]] + replies.reply(reply))
        _warn(err, reply, steps)
    _follow(call, device, err)
    return DONE


def _on(array, given):
    """Return the arguments of a step, with the array in its place once it is known which it is."""
    return dict(given, array=array) if "array" in given else given


def _carried_out(call, command, given):
    """Return the parsed reply to one step; a mail server's password is asked for here."""
    return pool.parsed(
        secret.with_secrets(
            call.pool,
            command,
            given,
            call.options,
            lambda more: call.pool.call(call.host, command.function.name, more),
        )
    )


def _warn(err, reply, steps):
    """Write what a reply warns of, but that alerts are not configured where that is one of the
    steps.
    """
    is_coming = any(command.function.name == ALERTS for command, _ in steps)
    warn(
        err,
        [
            commands.as_typed(sentence)
            for sentence in reply.get("warnings", ())
            if not (is_coming and ALERTS in sentence)
        ],
    )


def _array(call, err):
    """Return the arguments of create_array. Raises Problem where there are too few disks."""
    disks = call.ask("list_disks", {})["disks"]
    err.show(replies.disks(disks) + [[]])
    free = proposals.usable(disks)
    if len(free) < MEMBERS_MIN:
        raise Problem(
            "An array needs two disks at least, and %s can be used here."
            % ("one" if free else "none"),
            "The list says why.",
        )
    chosen = _disks(free, err)
    given = {"level": _level(chosen, err), "devices": ",".join(disk["device"] for disk in chosen)}
    stale = [formats.node(disk["device"]) for disk in chosen if disk.get("stale")]
    if stale:
        confirmation.insist(err, "Erase existing signatures on %s?" % ", ".join(stale))
        given["wipe"] = "true"
    name = _checked(err, CREATE, "name", "Name of the array (Enter: mdN, the first free one): ")
    return dict(given, name=name) if name else given


def _disks(free, err):
    """Return the disk records that are to be members."""
    clean = [disk for disk in free if not disk.get("stale")]
    offered = clean if len(clean) >= MEMBERS_MIN else free
    while True:
        text = confirmation.answer(
            err, "Disks (Enter: %s): " % " ".join(formats.node(disk["device"]) for disk in offered)
        )
        chosen, unknown = proposals.named(free, text) if text else (offered, [])
        if len(chosen) >= MEMBERS_MIN and not unknown:
            return chosen
        if unknown:
            err.say("%s cannot be used." % ", ".join(map(formats.plain, unknown)))
        else:
            err.say("It takes two disks at least.")


def _level(chosen, err):
    """Return the level that is chosen for disks, as its number."""
    offered = proposals.levels(chosen)
    err.show(
        [[]]
        + layout.table(
            ["level", "capacity", "redundancy"],
            [
                [
                    proposal.level,
                    formats.size(proposal.size_bytes),
                    formats.failures(proposal.survives),
                ]
                for proposal in offered
            ],
        )
        + [[]]
    )
    best = proposals.best(offered, len(chosen)).level
    while True:
        level = level_name(confirmation.answer(err, "Level (Enter: %s): " % best) or best)
        if level in [proposal.level for proposal in offered]:
            return str(LEVELS[level].number)
        err.say("It takes one of %s." % ", ".join(proposal.level for proposal in offered))


def _sr(err):
    """Return the arguments of create_sr beside the array, None if no storage repository is
    wanted.
    """
    if (
        confirmation.answer(err, "A storage repository on it? [Y/n] ").lower() or "y"
    ) not in confirmation.YES:
        return None
    label = _checked(
        err, CREATE_SR, "name_label", "Its name (Enter: Local and the level and node): "
    )
    return {"array": "md0", "name_label": label} if label else {"array": "md0"}


def _mail(call, err):
    """Return the arguments of configure_alerts, None if alerts are configured or that is
    skipped.
    """
    settings, given = call.ask("get_alerts", {})["settings"], {}
    if settings.get("mail_to") and settings.get("smtp_host"):
        return None
    for name, question in MAIL:
        value = _checked(err, ALERTS, name, question)
        if not value and name == "mail_to":
            return None
        given.update({name: value} if value else {})
    return given


def _checked(err, function, name, question):
    """Return what a person answers for an argument, once it is one that the plugin takes; "" for
    Enter.
    """
    argument = next(
        argument for argument in functions.FUNCTIONS[function].arguments if argument.name == name
    )
    while True:
        text = confirmation.answer(err, question)
        try:
            if text:
                argument.kind(text)
            return text
        except (BadArgument, ValueError) as error:
            err.say("%s" % error)


def _show_plan(call, steps, err):
    """Show the commands of the array, as its dry run tells them, and what will be called."""
    plan = call.ask(CREATE, dict(steps[0][1], dry_run="true"))
    err.show([[]] + replies.reply(plan, with_commands=True) + [[]])
    _warn(err, plan, steps)
    device = plan["array"]["device"]
    err.show(layout.paragraph("On %s, which is the same as:" % call.host.name))
    for command, given in steps:
        err.say(
            "    "
            + " ".join(_quoted(word) for word in command.typed(_on(formats.node(device), given)))
        )
    err.say("")


def _quoted(word):
    """Return a word as a shell takes it."""
    text = formats.unicode_text(word)
    return text if re.match(r"[\w@%+=:,./-]+\Z", text) else "'%s'" % text.replace("'", "'\\''")


def _follow(call, device, err):
    """Show how far the array is until it is whole, or until `q` or Ctrl-C: both leave it to
    itself.
    """
    err.show([[]] + layout.paragraph("Until its redundancy is made, or q:"))
    try:
        with at_once():
            while True:
                (record,) = call.ask("list_arrays", {"array": device})["arrays"]
                err.redraw(
                    replies.sync(record)
                    or layout.paragraph(
                        formats.plain(record.get("summary") or record.get("health")), 2
                    )
                )
                if not record.get("sync"):
                    return
                if pressed(INTERVAL_S) in QUIT:
                    break
    except KeyboardInterrupt:
        pass
    err.say(GOES_ON)
