"""The program: from the words that were typed to a status, with the session logged out whatever
happens in between.
"""

from __future__ import absolute_import, unicode_literals

import os
import signal
import sys

from xsraid_cli import formats, many
from xsraid_cli.ask import confirmation, dialogue
from xsraid_cli.export import prometheus
from xsraid_cli.problems import DEGRADED, DONE, FAILED, INTERRUPTED, NobodyReads, Problem
from xsraid_cli.remote import advice, connecting, pool, secret
from xsraid_cli.show import health, layout, replies, versions, watch
from xsraid_cli.show.screen import Screen, silence, warn
from xsraid_cli.table import commands, parser

INTERRUPTED_TEXT = (
    "xsraid: interrupted; what a host has begun goes on there, `xsraid status` shows it"
)
STOPPING = (signal.SIGTERM, signal.SIGHUP)


def main(typed=None):
    """Do what was typed and return the exit status. typed: the words after the program's name, None
    for those of this process.
    """
    out, err = Screen(sys.stdout, os.environ), Screen(sys.stderr, os.environ)
    for number in STOPPING:
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup's wish is kept
            signal.signal(number, _stop)
    try:
        is_asking = sys.stdin is not None and sys.stdin.isatty() and err.is_terminal
        return run(
            parser.parse(commands.table(), sys.argv[1:] if typed is None else typed, is_asking),
            out,
            err,
        )
    except Problem as problem:
        tell(problem, err)
        return problem.status
    except KeyboardInterrupt:
        err.say(INTERRUPTED_TEXT)
        return INTERRUPTED
    except NobodyReads:
        silence(sys.stdout)
        return FAILED


def run(parsed, out, err):
    """Connect, carry out and log out. parsed: of parser.parse; out, err: Screens. Returns the exit
    status. Raises Problem.
    """
    command, given, options = parsed
    many.refuse_wrong(command, options)
    confirmation.refuse_unasked(command, given, err, getattr(options, "yes", False))
    if command.function is commands.EXPORT:
        return prometheus.export(command, options, out, err)
    if getattr(options, "all", False):
        return many.of_inventory(command, given, options, out, err)
    where = advice.Where(
        getattr(options, "pool", None), getattr(options, "user", pool.ROOT), None, command.name
    )
    connected = None
    try:
        connected = connecting.connect(options, err)
        where = where._replace(address=connected.address)
        hosts = many.hosts_meant(command, given, options, connected)
        if hosts is not None:
            return many.of_pool(connected, hosts, command, given, options, out, err)
        where = where._replace(host=connected.host(getattr(options, "host", None)))
        return carry_out(Call(connected, where.host, command, given, options), out, err)
    except advice.FAILURE as failure:
        raise advice.of_failure(
            failure, where, advice.version_there(failure, connected, where.host)
        )
    except advice.CONNECTION_ERRORS as error:
        raise advice.of_connection(error, where)
    finally:
        if connected is not None:
            many.close(connected)


class Call(object):
    """What was asked for and of whom. pool: logged in; host: pool.Host; command; given: its
    arguments {name: text}; options: all parsed ones.
    """

    def __init__(self, connected, host, command, given, options):
        self.pool, self.host, self.command, self.given, self.options = (
            connected,
            host,
            command,
            given,
            options,
        )

    def is_set(self, option):
        return getattr(self.options, option, False)

    def ask(self, function, given):
        """Return the parsed reply of any function of the plugin on that host."""
        return self.pool.ask(self.host, function, given)

    def text(self, given):
        """Return the reply to the function that was asked for, as JSON text."""
        return self.pool.call(self.host, self.command.function.name, given)


def carry_out(call, out, err):
    """Call the plugin once it is agreed, show the reply, return the exit status."""
    if call.is_set("watch"):
        return watch.watch(lambda: _lines(call, call.text(call.given)), out)
    given = call.given
    if call.command.function.name == parser.CREATE and not given:
        return dialogue.create(call, err)
    if confirmation.is_needed(call.command, given, call.is_set("yes")):
        given = confirmation.agreed(call.command, given, call.host, call.ask, err)
    text = secret.with_secrets(call.pool, call.command, given, call.options, call.text)
    reply = pool.parsed(text)
    if call.is_set("json"):
        out.say(text)
    else:
        out.show(_lines(call, text))
        warn(err, [commands.as_typed(sentence) for sentence in reply.get("warnings", ())])
    if call.command.function.name == parser.STATUS and not all(
        health.is_well(array) for array in reply.get("arrays", ())
    ):
        return DEGRADED
    return DONE


def tell(problem, err):
    """Write what is wrong, and what to do."""
    for line in ["xsraid: " + formats.unicode_text(problem.what)] + (
        [formats.unicode_text(problem.advice)] if problem.advice else []
    ):
        err.say(line)


def _lines(call, text):
    """Return a reply as lines, as it is with --json."""
    if call.is_set("json"):
        return [[layout.Cell(text, None)]]
    reply = pool.parsed(text)
    if call.command.function.name == "version":
        return versions.lines(reply, call.host.name, call.ask)
    return replies.reply(
        reply, with_commands=bool(reply.get("planned")), detailed="array" in call.given
    )


def _stop(number, frame):
    """End in order: what was opened is closed on the way."""
    sys.exit(128 + number)
