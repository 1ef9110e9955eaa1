"""Tables and lists for people, pure: aligned, 80 columns wide at most whatever the terminal, so
that a pipe gets what a terminal does.

A line is a list of Cells; the colours are for `screen` to show or not.
"""

from __future__ import absolute_import, unicode_literals

import collections
import textwrap

from xsraid_cli import formats

WIDTH = 80
GAP = 2
COLUMN_MIN = 8
BAR_WIDTH = 20

Cell = collections.namedtuple("Cell", "text colour")


def cell(content, colour=None):
    """Return a Cell of text or of what is one already."""
    return content if isinstance(content, Cell) else Cell(formats.plain(content), colour)


def text(line):
    """Return a line without its colours."""
    return "".join(part.text for part in line)


def paragraph(content, indent=0):
    """Return the lines of a sentence or more."""
    prefix = " " * indent
    return [
        [Cell(line, None)]
        for line in textwrap.wrap(
            formats.plain(content),
            WIDTH,
            initial_indent=prefix,
            subsequent_indent=prefix,
            break_on_hyphens=False,
            break_long_words=False,
        )
    ] or [[Cell("", None)]]


def table(headers, rows, indent=0):
    """Return the lines of a table. What is too wide is wrapped in its column.

    headers: names, None for no line of them; rows: lists of text or Cells.
    """
    cells = []
    if headers:
        cells.append([cell(header.upper()) for header in headers])
    for row in rows:
        cells.append([cell(content) for content in row])
    widths = _widths(cells, WIDTH - indent)
    return [line for row in cells for line in _row(row, widths, indent)]


def facts(pairs, indent=0):
    """Return the lines of names and values. pairs: [(name, text or Cell)]."""
    return table(None, pairs, indent)


def joined(blocks):
    """Return the lines of blocks with an empty one between them."""
    lines = []
    for block in blocks:
        if lines and block:
            lines.append([])
        lines += block
    return lines


def bar(ratio):
    """Return a progress bar."""
    done = int(max(0.0, min(1.0, ratio)) * BAR_WIDTH)
    return "[%s%s]" % ("#" * done, "-" * (BAR_WIDTH - done))


def _widths(rows, room):
    """Return the widths of the columns; while they are too wide together, the widest gives way."""
    widths = []
    for column in zip(*rows):
        widths.append(max(len(each.text) for each in column))
    while sum(widths) + GAP * (len(widths) - 1) > room and max(widths) > COLUMN_MIN:
        widths[widths.index(max(widths))] -= 1
    return widths


def _row(row, widths, indent):
    """Return the lines of one row of a table."""
    wrapped = [
        textwrap.wrap(part.text, max(width, 1), break_on_hyphens=False) or [""]
        for part, width in zip(row, widths)
    ]
    lines = []
    for at in range(max(len(parts) for parts in wrapped)):
        line = [Cell(" " * indent, None)] if indent else []
        for part, parts, width in zip(row, wrapped, widths):
            piece = parts[at] if at < len(parts) else ""
            line += [Cell(piece, part.colour), Cell(" " * (width - len(piece) + GAP), None)]
        lines.append(_stripped(line))
    return lines


def _stripped(line):
    """Return a line without blanks at its end."""
    while line and not line[-1].text.strip():
        line = line[:-1]
    return line
