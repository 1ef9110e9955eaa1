"""What the command ends with: its exit statuses, and the one exception that says to a person what
is wrong and what to do.
"""

from __future__ import absolute_import

DONE, FAILED, USAGE, DEGRADED, INTERRUPTED = 0, 1, 2, 3, 130


class NobodyReads(Exception):
    """Whoever read what this program writes has gone, as `head` does when it has seen enough."""


class Problem(Exception):
    """what: one line, what is wrong; advice: one line, what to do, "" if nothing is to be done;
    status: what the program ends with.
    """

    def __init__(self, what, advice="", status=FAILED):
        Exception.__init__(self, what)
        self.what, self.advice, self.status = what, advice, status
