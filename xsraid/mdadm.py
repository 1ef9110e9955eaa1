"""mdadm's language, pure: the command that creates an array, the model of /etc/mdadm.conf (mdadm.conf(5))."""

from __future__ import absolute_import

import re

from xsraid.levels import LEVELS

NAME_MAX = 28  # a version 1.2 superblock holds 32 characters, and `--homehost=any` puts "any:" before the name
NUMBERED = r"/dev/md/?(\d+)\Z"  # nodes that give the kernel its number
IGNORED = "<ignore>"  # instead of a node: never to be assembled
KEYWORDS = ("DEVICE", "ARRAY", "MAILADDR", "MAILFROM", "PROGRAM", "CREATE", "AUTO", "HOMEHOST", "HOMECLUSTER", "POLICY", "PART-POLICY", "SYSFS",
            "MONITORDELAY")


def same_uuid(one, other):
    """Return whether two spellings (with colons, dashes or neither) are one uuid."""
    return bare_uuid(one) == bare_uuid(other)


def bare_uuid(uuid):
    """Return the 32 digits of a uuid alone, for comparing."""
    return re.sub("[:-]", "", uuid).lower()


def md_uuid(uuid):
    """Return 32 hexadecimal digits, however grouped, in mdadm's form: four groups with colons between."""
    digits = bare_uuid(uuid)
    return ":".join(digits[at:at + 8] for at in range(0, 32, 8))


def array_name(name):
    """Return an array's name without the home host that mdadm puts before it (`any:md0` is md0)."""
    return name.split(":", 1)[-1]


def create_command(node, level, uuid, name, members, spares=(), chunk_bytes=None, bitmap="internal", policy=None, journal=None):
    """Return the argument list that creates an array.

    level: a key of LEVELS; chunk_bytes: None leaves it to mdadm; bitmap: internal or none; policy: ppl, or None for what bitmap and journal make it;
    journal: a device.
    """
    rule = LEVELS[level]
    argv = ["mdadm", "--create", node, "--run", "--metadata=1.2", "--level=%d" % rule.number, "--raid-devices=%d" % len(members)]
    if spares:
        argv.append("--spare-devices=%d" % len(spares))
    if chunk_bytes is not None:
        argv.append("--chunk=%dK" % (chunk_bytes // 1024))
    if policy == "ppl":
        argv.append("--consistency-policy=ppl")
    elif journal is not None:
        argv.append("--write-journal=%s" % journal)
    elif rule.redundant:
        argv.append("--bitmap=%s" % bitmap)
    argv += ["--uuid=%s" % uuid, "--name=%s" % name, "--homehost=any"]
    return argv + list(members) + list(spares)


class Configuration(object):
    """The text of an mdadm.conf, taken apart into entries: one directive with its continuation lines, or one comment or blank line."""

    def __init__(self, text):
        self.entries = []
        for line in text.splitlines(True):
            if line[:1] in " \t" and line.strip() and not line.strip().startswith("#") and self.entries:
                self.entries[-1] += line
            else:
                self.entries.append(line)

    def text(self):
        return "".join(self.entries)

    def words(self, keyword):
        """Return the words of each entry of a keyword, the keyword itself left out."""
        return [_words(entry)[1:] for entry in self.entries if _keyword(entry) == keyword]

    def first(self, keyword):
        """Return the first word of the first entry of a keyword, None when there is none; mdadm takes the first MAILADDR, MAILFROM and PROGRAM."""
        entries = [words for words in self.words(keyword) if words]
        return entries[0][0] if entries else None

    def arrays(self):
        """Return [(node, uuid)] of the ARRAY lines that mdadm shall assemble; what a line does not name is None."""
        lines = [(_node(words), _tag(words, "uuid")) for words in self.words("ARRAY")]
        return [(node, uuid) for node, uuid in lines if node != IGNORED and (node or uuid)]

    def has_array(self, uuid):
        return any(known and same_uuid(known, uuid) for _, known in self.arrays())

    def pins_members(self, uuid):
        """Return whether an ARRAY line of this uuid says how many members the array has, or which."""
        return any(_tag(_words(entry), name) for entry in self.entries if self._is_array(entry, uuid) for name in ("num-devices", "devices"))

    def set_array(self, node, uuid, spare_count=0):
        """Make sure that there is one ARRAY line for this uuid, and return it. Such a line survives renamed disks and another host name."""
        line = "ARRAY %s UUID=%s%s" % (node, md_uuid(uuid), " spares=%d" % spare_count if spare_count else "")
        self._set(lambda entry: self._is_array(entry, uuid) or self._is_nameless(entry, node), line)
        return line

    def remove_array(self, uuid):
        """Take out the ARRAY lines of this uuid; return whether there was one."""
        kept = [entry for entry in self.entries if not self._is_array(entry, uuid)]
        has_been = len(kept) < len(self.entries)
        self.entries = kept
        return has_been

    def set_word(self, keyword, word):
        """Make the first entry of a keyword say this word."""
        self._set(lambda entry: _keyword(entry) == keyword, "%s %s" % (keyword, word), only_first=True)

    def remove_words(self, keyword):
        """Take out all entries of a keyword."""
        self.entries = [entry for entry in self.entries if _keyword(entry) != keyword]

    def _is_array(self, entry, uuid):
        known = _tag(_words(entry), "uuid") if _keyword(entry) == "ARRAY" else None
        return known is not None and same_uuid(known, uuid)

    def _is_nameless(self, entry, node):
        """Return whether it is an ARRAY line for this node that finds its members by name or device: one that renamed disks or hosts break."""
        words = _words(entry)[1:] if _keyword(entry) == "ARRAY" else []
        return _node(words) == node and _tag(words, "uuid") is None and _tag(words, "container") is None

    def _set(self, is_meant, line, only_first=False):
        places = [at for at, entry in enumerate(self.entries) if is_meant(entry)]
        if not places:
            if self.entries and not self.entries[-1].endswith("\n"):
                self.entries[-1] += "\n"
            self.entries.append(line + "\n")
            return
        if _words(self.entries[places[0]]) != line.split():
            self.entries[places[0]] = line + "\n"
        if not only_first:
            for at in reversed(places[1:]):
                del self.entries[at]


def _words(entry):
    """Return the words of an entry; a word that begins with # ends its line, quotes hold a word together."""
    words = []
    for line in entry.splitlines():
        for word in re.findall(r"""(?:[^\s"']|"[^"]*"|'[^']*')+""", line):
            if word.startswith("#"):
                break
            words.append(re.sub("[\"']", "", word))
    return words


def _keyword(entry):
    """Return the full keyword of an entry, None for a comment or what mdadm does not know. mdadm takes any case and three letters."""
    words = _words(entry)
    if not words or len(words[0]) < 3:
        return None
    fitting = [keyword for keyword in KEYWORDS if keyword.startswith(words[0].upper())]
    return fitting[0] if fitting else None


def _node(words):
    """Return the node that an ARRAY line names, None for one that leaves it to mdadm; a bare name is one in /dev/md."""
    if not words or "=" in words[0]:
        return None
    return words[0] if words[0].startswith("/") or words[0] == IGNORED else "/dev/md/" + words[0]


def _tag(words, name):
    for word in words:
        if word.lower().startswith(name + "="):
            return word.split("=", 1)[1]
    return None
