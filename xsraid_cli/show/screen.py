"""Where lines go: a terminal, in colour and redrawn in place, or a file or pipe, where the same
text comes without either.
"""

from __future__ import absolute_import, unicode_literals

import errno
import fcntl
import io
import os
import struct
import termios

from xsraid_cli import formats
from xsraid_cli.problems import NobodyReads, Problem
from xsraid_cli.show import layout

COLOURS = {"good": "32", "notice": "33", "bad": "31"}
ROWS_DEFAULT = 24


class Screen(object):
    """stream: sys.stdout or sys.stderr; environment: of the process, for NO_COLOR (no-color.org)
    and TERM.
    """

    def __init__(self, stream, environment):
        self.is_terminal = stream.isatty()
        self.in_colour = (
            self.is_terminal
            and not environment.get("NO_COLOR")
            and environment.get("TERM") != "dumb"
        )
        self._stream = io.open(
            stream.fileno(), "w", encoding="utf-8", errors="replace", closefd=False
        )
        self._drawn = 0

    def show(self, lines):
        """Write lines of `layout`."""
        self._write("".join(self._painted(line) + "\n" for line in lines))

    def say(self, text):
        """Write one line of text as it is."""
        self._write("%s\n" % text)

    def write(self, text):
        """Write text as it is, such as a question whose answer stands on the same line."""
        self._write(text)

    def redraw(self, lines):
        """Write lines in the place of those that were drawn before; where there is no terminal,
        below them.
        """
        if not self.is_terminal:
            self.show(lines + [[]])
            return
        rows, columns = self._size()
        if self._drawn >= rows:
            back = "\x1b[H\x1b[J"
        else:
            back = "\x1b[%dA\r\x1b[J" % self._drawn if self._drawn else ""
        self._write(back + "".join(self._painted(line) + "\n" for line in lines))
        self._drawn = sum(max(1, -(-len(layout.text(line)) // columns)) for line in lines)

    def _write(self, text):
        try:
            self._stream.write(text)
            self._stream.flush()
        except EnvironmentError as error:
            if error.errno == errno.EPIPE:
                raise NobodyReads
            raise Problem("The output cannot be written: %s." % error.strerror)

    def _painted(self, line):
        if not self.in_colour:
            return "".join(part.text for part in line)
        return "".join(map(_in_colour, line))

    def _size(self):
        """Return how many rows and columns the terminal has (tty_ioctl(4)); one that does not know
        says 0.
        """
        rows, columns = struct.unpack(
            "HHHH", fcntl.ioctl(self._stream.fileno(), termios.TIOCGWINSZ, b"\0" * 8)
        )[:2]
        return rows or ROWS_DEFAULT, columns or layout.WIDTH


def _in_colour(part):
    if part.colour and part.text:
        return "\x1b[%sm%s\x1b[0m" % (COLOURS[part.colour], part.text)
    return part.text


def silence(stream):
    """Let what is still to be written go nowhere: whoever read it has gone."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, stream.fileno())
    os.close(nothing)


def warn(screen, sentences):
    """Write warnings."""
    for sentence in sentences:
        screen.say("Warning: %s" % formats.unicode_text(sentence))
