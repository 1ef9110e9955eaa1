"""A small xe: the commands that the README uses and those that go with them, in real xe's syntax
and with its output.

    python3 -m xapi.xe COMMAND [name=value …] [--minimal] [-s HOST -p PORT -u USER -pw PASSWORD]

Without -s it talks to the unix socket (XAPI_SOCKET in the environment, else /var/lib/xcp/xapi).
Unknown commands are refused.
"""

import http.client
import os
import sys

from xapi import wire, xe_commands
from xapi.failure import Failure
from xapi.xe_client import Client, Tables, UnixConnection
from xapi.xe_printing import CommandError, describe_failure

SOCKET = "/var/lib/xcp/xapi"
OPTIONS = {"-s": "server", "-h": "server", "-p": "port", "-u": "username", "-pw": "password"}


def parse(arguments):
    """Return (command, [(name, value)…]): --name stands for name=true. Raises CommandError."""
    pairs, words = [], list(arguments)
    if not words:
        raise CommandError(
            "Usage: xe <cmd> [-s server] [-p port] ([-u username] [-pw password]) <other arguments>"
        )
    command = words.pop(0)
    while words:
        word = words.pop(0)
        if word in OPTIONS and words:
            pairs.append((OPTIONS[word], words.pop(0)))
        elif word.startswith("--"):
            pairs.append((word[2:], "true"))
        elif "=" in word:
            pairs.append(tuple(word.split("=", 1)))
        else:
            raise CommandError("Syntax error: %s" % word, usage=True)
    return command, pairs


def connect(pairs):
    """Return a Client that is logged in, and the parameters without those that said how."""
    ways = {name: value for name, value in pairs if name in OPTIONS.values()}
    rest = [pair for pair in pairs if pair[0] not in ways]
    if "server" in ways:
        client = Client(http.client.HTTPConnection(ways["server"], int(ways.get("port", 80))))
    else:
        client = Client(UnixConnection(os.environ.get("XAPI_SOCKET", SOCKET)))
    client.login(ways.get("username", "root"), ways.get("password", ""))
    return client, rest


def run(arguments):
    """Carry out a command; return (status, text for standard output, text for standard error)."""
    try:
        command, pairs = parse(arguments)
        function = xe_commands.find(command, pairs)
        client, rest = connect(pairs)
        try:
            return carry_out(function, client, rest)
        finally:
            client.logout()
    except CommandError as error:
        return 1, "", error.text
    except Failure as failure:
        return 1, "", describe_failure(failure)
    except (OSError, wire.ParseError) as error:
        return (
            1,
            "",
            "Error: Connection refused (calling connect %s)\n" % getattr(error, "strerror", error),
        )


def carry_out(function, client, pairs):
    """Like run, once logged in: only here can the references in a failure be looked up."""
    tables = Tables(client)
    try:
        return 0, function(client, tables, pairs), ""
    except CommandError as error:
        return 1, "", error.text
    except Failure as failure:
        return 1, "", describe_failure(failure, tables)


def main():
    status, output, errors = run(sys.argv[1:])
    sys.stdout.write(output)
    sys.stderr.write(errors)
    sys.exit(status)


if __name__ == "__main__":
    main()
