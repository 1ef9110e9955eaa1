"""A command for all hosts of a pool, or of many pools: who is asked, and what is done with the
answers.
"""

from __future__ import absolute_import, unicode_literals

import signal

from xsraid_cli.ask import confirmation
from xsraid_cli.problems import USAGE, Problem
from xsraid_cli.remote import all_hosts, fleet, inventory, pool
from xsraid_cli.show import layout, rows, watch
from xsraid_cli.show.screen import warn
from xsraid_cli.table import commands, parser

LIMIT_S = 30
LIMIT_AT_WORK_S = 120  # of those that wait for mail servers and units
LIMIT_MAX_S = 24 * 3600
AT_WORK = ("test_alert", "apply_alerts")
IN_INVENTORY = ("user", "ca_file", "fingerprint")


def refuse_wrong(command, options):
    """Raise Problem for options that ask of many hosts what is done on one at a time."""
    is_all, name = getattr(options, "all", False), command.function.name
    if getattr(options, "host", None) == commands.ALL and name not in commands.ALL_HOSTS:
        raise Problem(
            "`xsraid %s` is for one host at a time." % command.name, "Name it: --host NAME.", USAGE
        )
    if is_all and (hasattr(options, "pool") or hasattr(options, "host")):
        raise Problem(
            "--all means every pool of the inventory, and one is named.",
            "Leave out --all, or --pool and --host.",
            USAGE,
        )
    for option in IN_INVENTORY if is_all else ():
        if hasattr(options, option):
            raise Problem(
                "--%s stands in the inventory, for each pool." % option.replace("_", "-"),
                "Leave it out, or name one pool: --pool.",
                USAGE,
            )
    if hasattr(options, "inventory") and not is_all:
        raise Problem("--inventory is for --all.", "Add --all.", USAGE)
    if not 0 < getattr(options, "timeout", LIMIT_S) <= LIMIT_MAX_S:
        raise Problem(
            "--timeout takes a number of seconds above 0, up to %d." % LIMIT_MAX_S, "", USAGE
        )


def hosts_meant(command, given, options, connected):
    """Return all Hosts of a Pool where they are meant: they are named so, or it is a pool of
    several whose status is asked for. Else None.
    """
    name = getattr(options, "host", None)
    if name == commands.ALL:
        return connected.hosts()
    if (
        name is not None
        or connected.address is None
        or command.function.name != parser.STATUS
        or given
    ):
        return None
    hosts = connected.hosts()
    return hosts if len(hosts) > 1 else None


def limit_s(command, options):
    """Return how long each host may take, in seconds."""
    return getattr(
        options, "timeout", LIMIT_AT_WORK_S if command.function.name in AT_WORK else LIMIT_S
    )


def of_pool(connected, hosts, command, given, options, out, err):
    """Carry out a command on all Hosts of a Pool and return the exit status; whoever watches sees
    also those that join it meanwhile.
    """
    if confirmation.is_needed(command, given, getattr(options, "yes", False)):
        everyone = pool.Host(None, "all %d hosts of %s" % (len(hosts), connected.name), None, "")
        given = confirmation.agreed(command, given, everyone, None, err)

    def look():
        meant = connected.hosts() if getattr(options, "watch", False) else hosts
        return all_hosts.ask(
            connected,
            meant,
            [(command.function.name, given)],
            limit_s(command, options),
            command.name,
        )

    return _shown(look, command, options, out, err)


def of_inventory(command, given, options, out, err):
    """Carry out a command on all hosts of all pools of the inventory and return the exit status."""
    asked = fleet.of_entries(inventory.load(getattr(options, "inventory", None)), options, err)
    try:
        return _shown(
            lambda: asked.ask(
                [(command.function.name, given)], limit_s(command, options), command.name
            ),
            command,
            options,
            out,
            err,
        )
    finally:
        close(asked)


def close(asked):
    """Log out of a Pool or Fleet; no second Ctrl-C keeps it from that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asked.close()


def _shown(look, command, options, out, err):
    """Show what look() answers, once or again and again; return the exit status."""

    def lines(answers):
        return (
            [[layout.Cell(rows.as_json(answers), None)]]
            if getattr(options, "json", False)
            else rows.lines(answers, command.function.name)
        )

    if getattr(options, "watch", False):
        return watch.watch(lambda: lines(look()), out)
    answers = look()
    out.show(lines(answers))
    if not getattr(options, "json", False):
        warn(err, rows.warnings(answers))
    return rows.status(answers, command.function.name)
