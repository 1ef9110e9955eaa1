"""The program: from the words that were typed to a status, with the session logged out whatever happens in between."""

from __future__ import absolute_import

import os
import signal
import sys

from xsraid_cli import (
    advice,
    asking,
    certificates,
    commands,
    health,
    layout,
    parser,
    passwords,
    pool,
    secret,
    transport,
    versions,
    views,
    watch,
    words,
)
from xsraid_cli.problems import DEGRADED, DONE, FAILED, INTERRUPTED, USAGE, NobodyReads, Problem
from xsraid_cli.screen import Screen, silence, warn

INTERRUPTED_TEXT = u"xsraid: interrupted; what a host has begun goes on there, `xsraid status` shows it"
FOR_POOLS = ("user", "password_fd", "ca_file", "fingerprint", "insecure")
STOPPING = (signal.SIGTERM, signal.SIGHUP)


def main(typed=None):
    """Do what was typed and return the exit status. typed: the words after the program's name, None for those of this process."""
    out, err = Screen(sys.stdout, os.environ), Screen(sys.stderr, os.environ)
    for number in STOPPING:
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup's wish is kept
            signal.signal(number, _stop)
    try:
        return run(parser.parse(commands.table(), sys.argv[1:] if typed is None else typed), out, err)
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
    """Connect, carry out and log out. parsed: of parser.parse; out, err: Screens. Returns the exit status. Raises Problem."""
    command, given, options = parsed
    where = advice.Where(getattr(options, "pool", None), getattr(options, "user", pool.ROOT), None, command.name)
    asking.refuse_unasked(command, given, err, getattr(options, "yes", False))
    connected = None
    try:
        connected = connect(options, err)
        host = connected.host(getattr(options, "host", None))
        where = where._replace(address=connected.address, host=host)
        return carry_out(Call(connected, host, command, given, options), out, err)
    except advice.FAILURE as failure:
        raise advice.of_failure(failure, where, _version_there(failure, connected, where.host))
    except advice.CONNECTION_ERRORS as error:
        raise advice.of_connection(error, where)
    finally:
        if connected is not None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            connected.close()


def connect(options, err):
    """Return the Pool that the options name, logged in. Raises Problem and what comes of connections."""
    address, is_insecure = getattr(options, "pool", None), getattr(options, "insecure", False)
    if address is None:
        _refuse_alone(options)
        return pool.log_in_here()
    scheme, name = transport.url(address)
    address = "%s://%s" % (scheme, name)
    if scheme == transport.HTTP and not is_insecure:
        raise Problem("http:// sends the password in clear.", "Use https://, or say --insecure.", USAGE)
    fingerprints = [certificates.normal(each) for each in getattr(options, "fingerprint", [])]
    trust = certificates.Trust(getattr(options, "ca_file", None), fingerprints, is_insecure)
    if is_insecure:
        warn(err, ["--insecure: nobody knows whether this is %s, and who reads the password." % name])
    user = getattr(options, "user", pool.ROOT)
    return pool.log_in(address, user, passwords.of_pool(address, user, getattr(options, "password_fd", None)), trust)


class Call(object):
    """What was asked for and of whom. pool: logged in; host: pool.Host; command; given: its arguments {name: text}; options: all parsed ones."""

    def __init__(self, connected, host, command, given, options):
        self.pool, self.host, self.command, self.given, self.options = connected, host, command, given, options

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
    if asking.is_needed(call.command, given, call.is_set("yes")):
        given = asking.agreed(call.command, given, call.host, call.ask, err)
    text = secret.with_secrets(call.pool, call.command, given, call.options, call.text)
    reply = pool.parsed(text)
    if call.is_set("json"):
        out.say(text)
    else:
        out.show(_lines(call, text))
        warn(err, [commands.as_typed(sentence) for sentence in reply.get("warnings", ())])
    if call.command.function.name == parser.STATUS and not all(health.is_well(array) for array in reply.get("arrays", ())):
        return DEGRADED
    return DONE


def tell(problem, err):
    """Write what is wrong, and what to do."""
    for line in [u"xsraid: " + words.unicode_text(problem.what)] + ([words.unicode_text(problem.advice)] if problem.advice else []):
        err.say(line)


def _lines(call, text):
    """Return a reply as lines, as it is with --json."""
    if call.is_set("json"):
        return [[layout.Cell(text, None)]]
    reply = pool.parsed(text)
    if call.command.function.name == "version":
        return versions.lines(reply, call.host.name, call.ask)
    return views.reply(reply, with_commands=bool(reply.get("planned")), detailed="array" in call.given)


def _refuse_alone(options):
    """Raise Problem for options that say nothing without --pool."""
    for name in FOR_POOLS:
        if hasattr(options, name):
            raise Problem("--%s is for a pool, and none is named." % name.replace("_", "-"), "Add --pool ADDRESS.", USAGE)


def _version_there(failure, connected, host):
    """Return the version of the plugin on a host, where a failure makes it worth asking; None where it does not, or nobody knows."""
    if host is None or not advice.is_version_telling(failure):
        return None
    try:
        return connected.ask(host, "version", {}).get("version")
    except advice.FAILURE:
        return None


def _stop(number, frame):
    """End in order: what was opened is closed on the way."""
    sys.exit(128 + number)
