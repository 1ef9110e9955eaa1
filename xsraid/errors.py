"""Every failure that a caller can act on: a code, its facts, and last a sentence that says what to
do.

The codes and the order of the facts are what other programs rely on; the sentences are for people
and may change.
"""

from __future__ import absolute_import

from xsraid.text import native, printable, shown


class XsraidError(Exception):
    """Holds its facts as attributes of the names in `facts`, with the types that they came with,
    and `sentence`, for people.

    parameters: all of it as text, in the order in which callers get it.
    """

    code = "XSRAID_INTERNAL"
    facts = ()

    def __init__(self, values, sentence):
        Exception.__init__(self)
        for name, value in zip(self.facts, values):
            setattr(self, name, value)
        self.parameters = [_as_text(value) for value in list(values) + [sentence]]
        self.sentence = self.parameters[-1]

    def __str__(self):
        return "%s: %s" % (self.code, self.sentence)


def _as_text(value):
    if isinstance(value, (int, float)):
        return "%g" % value
    return printable(native(value), 2000)


class BadArgument(XsraidError):
    """An argument is missing, unknown or malformed. Facts: argument, reason."""

    code = "XSRAID_BAD_ARGUMENT"
    facts = ("argument", "reason")

    def __init__(self, argument, reason):
        XsraidError.__init__(self, [argument, reason], "%s: %s." % (argument, reason))


class UnknownDisk(XsraidError):
    """No disk of this host has that path, link or serial number. Facts: what was given."""

    code = "XSRAID_UNKNOWN_DISK"
    facts = ("name",)

    def __init__(self, name, why="no disk of this host has this path, by-id link or serial number"):
        XsraidError.__init__(
            self,
            [printable(name, 80)],
            "%s: %s. `list_disks` shows those there are." % (shown(name), why),
        )


class DiskInUse(XsraidError):
    """A disk is in use or cannot serve, so it is not touched. Facts: device, reason (MOUNTED, SWAP,
    ...).
    """

    code = "XSRAID_DISK_IN_USE"
    facts = ("device", "reason")

    def __init__(self, device, reason, details):
        XsraidError.__init__(
            self,
            [device, reason],
            "%s cannot be used: %s. Nothing was changed; choose another disk (`list_disks`)."
            % (device, details),
        )


class StaleData(XsraidError):
    """Disks carry existing signatures. Facts: device and what, of the first; the sentence names
    all.
    """

    code = "XSRAID_STALE_DATA"
    facts = ("device", "what")

    def __init__(self, found):
        """found: [(device, what)], not empty."""
        everything = "; ".join("%s still carries %s" % each for each in found)
        XsraidError.__init__(
            self, found[0], everything + ". If nobody needs that, repeat the call with wipe=true."
        )


class NotEnoughDisks(XsraidError):
    """Facts: level, needed, given."""

    code = "XSRAID_NOT_ENOUGH_DISKS"
    facts = ("level", "needed", "given")

    def __init__(self, level, needed, given):
        XsraidError.__init__(
            self,
            [level, needed, given],
            "%s needs at least %d disks, %d given." % (level, needed, given),
        )


class UnknownArray(XsraidError):
    """Facts: what was given."""

    code = "XSRAID_UNKNOWN_ARRAY"
    facts = ("name",)

    def __init__(self, name, why="no array of this host has this node, name or uuid"):
        XsraidError.__init__(
            self,
            [printable(name, 80)],
            "%s: %s. `list_arrays` shows those there are." % (shown(name), why),
        )


class ArrayInUse(XsraidError):
    """Facts: array, by."""

    code = "XSRAID_ARRAY_IN_USE"
    facts = ("array", "by")

    def __init__(self, array, by, advice="Free it first."):
        XsraidError.__init__(self, [array, by], "%s is in use by %s. %s" % (array, by, advice))


class WouldLoseData(XsraidError):
    """Facts: array, why."""

    code = "XSRAID_WOULD_LOSE_DATA"
    facts = ("array", "why")

    def __init__(self, array, why, advice):
        XsraidError.__init__(self, [array, why], "%s %s. %s" % (array, why, advice))


class Busy(XsraidError):
    """Another call is changing this host. Facts: who."""

    code = "XSRAID_BUSY"
    facts = ("who",)

    def __init__(self, who):
        XsraidError.__init__(
            self,
            [who],
            "Another call is at work on this host: %s. Repeat this one when it has ended." % who,
        )


class CommandFailed(XsraidError):
    """Facts: command, status, its last words."""

    code = "XSRAID_COMMAND_FAILED"
    facts = ("command", "status", "last_words")

    def __init__(self, command, status, last_words, advice=""):
        sentence = "`%s` ended with %s: %s %s" % (
            command,
            status,
            last_words or "(it said nothing)",
            advice,
        )
        XsraidError.__init__(self, [command, status, last_words], sentence.strip())


class Timeout(XsraidError):
    """Facts: what, limit in seconds."""

    code = "XSRAID_TIMEOUT"
    facts = ("what", "limit_s")

    def __init__(self, what, limit_s, advice=""):
        XsraidError.__init__(
            self,
            [what, limit_s],
            ("%s did not end within %g s and was stopped. %s" % (what, limit_s, advice)).strip(),
        )


class MailRejected(XsraidError):
    """Facts: the server's answer, advice."""

    code = "XSRAID_MAIL_REJECTED"
    facts = ("answer", "advice")

    def __init__(self, answer, advice):
        XsraidError.__init__(
            self, [answer, advice], "No mail was accepted: %s. %s" % (answer, advice)
        )


class NotConfigured(XsraidError):
    """Facts: what."""

    code = "XSRAID_NOT_CONFIGURED"
    facts = ("what",)

    def __init__(self, what, advice):
        XsraidError.__init__(self, [what], "%s. %s" % (what, advice))


class Unsupported(XsraidError):
    """This host or these disks cannot do it. Facts: what, needs."""

    code = "XSRAID_UNSUPPORTED"
    facts = ("what", "needs")

    def __init__(self, what, needs):
        XsraidError.__init__(self, [what, needs], "%s: it needs %s." % (what, needs))


class XapiGone(XsraidError):
    """XAPI did not answer, or its answer was none of XAPI's. Facts: its last words."""

    code = "XSRAID_XAPI_GONE"
    facts = ("last_words",)

    def __init__(self, last_words):
        XsraidError.__init__(
            self,
            [last_words],
            "xapi stopped answering: %s. Repeat the call when `xe host-list` works again: it goes "
            "on where this one ended." % last_words,
        )
