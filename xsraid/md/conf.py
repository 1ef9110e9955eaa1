"""mdadm.conf as mdadm itself reads it (its config.c and lib.c), pure: words, ARRAY lines, which
line knows an array; and changes to our own file.

Text is the interpreter's `str`, see `text`. Only "\\n" ends a line and only blanks and tabs part
words: a carriage return is part of its word.
"""

from __future__ import absolute_import

import collections
import re

from xsraid.text import md_uuid, same_uuid, to_bytes

KEYWORDS = (
    "DEVICES",
    "ARRAY",
    "MAILADDR",
    "MAILFROM",
    "PROGRAM",
    "CREATE",
    "HOMEHOST",
    "HOMECLUSTER",
    "AUTO",
    "POLICY",
    "PART-POLICY",
    "SYSFS",
    "MONITORDELAY",
)  # in the order in which mdadm looks for what an abbreviation means
KEYWORD_MIN = 3  # bytes of an abbreviation
IGNORED = "<ignore>"  # instead of a node: never to be assembled
OURS = "/etc/mdadm.conf"
NAME_MAX_BYTES = 32
PATTERN_MAX_BYTES = 1023
UNSET = 0xFFFE  # mdadm's number for "not given", so that a line cannot give it
LEVELS = {
    "linear": -1,
    "raid0": 0,
    "0": 0,
    "stripe": 0,
    "raid1": 1,
    "1": 1,
    "mirror": 1,
    "raid4": 4,
    "4": 4,
    "raid5": 5,
    "5": 5,
    "multipath": -4,
    "mp": -4,
    "raid6": 6,
    "6": 6,
    "raid10": 10,
    "10": 10,
    "faulty": -5,
    "container": -100,
}
JOINED = "MAILFROM"  # the keyword whose words mdadm joins
LONG_MAX, INT_SPAN = (1 << 63) - 1, 1 << 32
METADATA = {
    "": "0.90",
    "0": "0.90",
    "0.90": "0.90",
    "90": "0.90",
    "1": "1",
    "default": "1.2",
    "1.0": "1.0",
    "1.00": "1.0",
    "1.1": "1.1",
    "1.01": "1.1",
    "1.2": "1.2",
    "1.02": "1.2",
    "ddf": "ddf",
    "imsm": "imsm",
}
WORD = re.compile(r"""(?:"[^"]*(?:"|\Z)|'[^']*(?:'|\Z)|[^ \t"'])+""")
QUOTED = re.compile(r""""([^"]*)(?:"|\Z)|'([^']*)(?:'|\Z)""")

# One file that mdadm reads, or that it would read if another were not there. is_read: whether it
# does.
ConfFile = collections.namedtuple("ConfFile", "path text is_read")
# An ARRAY line. path, number: where it stands, from line 1 on; words: all but the keyword; node: a
# bare name as one in /dev/md, IGNORED for <ignore>; uuid: in mdadm's form; name: maybe with `host:`
# before it; devices: a tuple of patterns; container: a node or a uuid; member, spare_group, bitmap,
# auto, metadata: text; super_minor, level, device_count: numbers; each of these is None if the
# line does not give it in a way that mdadm takes. spare_count: 0 where it is not given. ignored:
# never to be assembled; known: it has what mdadm finds an array by, without which the line means
# nothing to it; refused: the words that mdadm does not take; is_read: whether mdadm reads the file.
ArrayLine = collections.namedtuple(
    "ArrayLine",
    "path number words node uuid name devices container member super_minor level device_count "
    "spare_count spare_group metadata bitmap auto ignored known refused is_read",
)
# What is known of an array. uuid; name: with the `host:` that its superblocks have; devices: nodes
# and links of its members; super_minor: of 0.90; level: a number of LEVELS; device_count; metadata:
# such as 1.2; containers: nodes and uuids of the one it is in; member: its name there. None or ()
# for what is not known.
ArrayFacts = collections.namedtuple(
    "ArrayFacts", "uuid name devices super_minor level device_count metadata containers member"
)
ArrayFacts.__new__.__defaults__ = (None, None, (), None, None, None, None, (), None)
# Whose names need no `host:` before them; host: None for nobody's; is_required: whether those of
# other hosts need theirs.
Home = collections.namedtuple("Home", "host is_required")
NOWHERE = Home(None, True)
# At: the index of its first line; more: of the lines that continue it.
Entry = collections.namedtuple("Entry", "keyword words at more")


class Configuration(object):
    """Our own mdadm.conf, which can be changed, and the other files that say something of arrays,
    which are only read.

    text: of our own; others: ConfFiles, in mdadm's order; path: of our own; is_read: whether mdadm
    reads our own, where others are read before it.
    takes_over: mdadm reads `others` only as long as our own is not there, so that their text
    becomes ours with the first change.
    """

    def __init__(self, text, others=(), path=OURS, is_read=True, takes_over=False):
        self.path, self.is_read, self.others, self._takes_over = (
            path,
            is_read,
            list(others),
            takes_over,
        )
        self._lines = _lines(text)

    def text(self):
        """Return the text of our own file."""
        return "".join(self._lines)

    def words(self, keyword):
        """Return the words of each entry of a keyword in the files that mdadm reads, the keyword
        itself left out.
        """
        return [
            entry.words
            for file in self._files()
            if file.is_read
            for entry in _entries(_lines(file.text))
            if entry.keyword == _keyword(keyword)
        ]

    def first(self, keyword):
        """Return the first word of a keyword, None when there is none; mdadm takes the first
        MAILADDR and PROGRAM.
        """
        return next((words[0] for words in self.words(keyword) if words), None)

    def recipients(self):
        """Return the addresses that mdadm mails to: those in the first word of MAILADDR, parted by
        commas.
        """
        return [
            address.strip()
            for address in (self.first("MAILADDR") or "").split(",")
            if address.strip()
        ]

    def sender(self):
        """Return what mails say they are from, None if that is not said. mdadm joins the words
        of all MAILFROM entries, here: of a file.
        """
        for file in self._files():
            words = [
                word
                for entry in _entries(_lines(file.text))
                if entry.keyword == JOINED and file.is_read
                for word in entry.words
            ]
            if words:
                return " ".join(words)
        return None

    def home(self, host_name):
        """Return the Home that HOMEHOST gives; host_name: this host's."""
        words = [word for entry in self.words("HOMEHOST") for word in entry]
        hosts = [word for word in words if _lower(word) != IGNORED]
        host = hosts[0] if hosts else "<system>"
        if _lower(host) == "<system>":
            host = host_name
        if not host or _lower(host) == "<none>":
            return Home(None, False)
        return Home(host, len(hosts) == len(words))

    def array_lines(self):
        """Return the ArrayLines of all files, those included that mdadm does not understand or does
        not read.
        """
        return [
            _array_line(file, entry)
            for file in self._files()
            for entry in _entries(_lines(file.text))
            if entry.keyword == "ARRAY"
        ]

    def wanted_lines(self):
        """Return the ArrayLines of arrays that shall be assembled: those that mdadm understands, of
        the files that it reads and of ours.
        """
        return [
            line
            for line in self.array_lines()
            if line.known and not line.ignored and (line.is_read or line.path == self.path)
        ]

    def arrays(self):
        """Return [(node, uuid)] of the ARRAY lines that mdadm shall assemble; what a line does not
        name is None.
        """
        return [(line.node, line.uuid) for line in self.wanted_lines() if line.node or line.uuid]

    def has_array(self, uuid):
        """Return whether a line says that the array of this uuid shall be assembled."""
        return any(known and same_uuid(known, uuid) for _, known in self.arrays())

    def pins_members(self, uuid):
        """Return whether an ARRAY line of our own for this uuid says how many members the array
        has, or which.
        """
        return any(
            line.device_count is not None or line.devices is not None
            for line in self._own_lines(uuid)
        )

    def set_array(self, node, uuid, spare_count=0, instead=()):
        """Make sure that there is one ARRAY line of our own for this uuid, and return it. It
        survives renamed disks and another host name.

        instead: ArrayLines of `array_lines` that it replaces as well; those of other files stay.
        """
        text = "ARRAY %s UUID=%s%s" % (
            node,
            md_uuid(uuid),
            " spares=%d" % spare_count if spare_count else "",
        )
        places = [(line.path, line.number) for line in instead]
        meant = []
        for entry, line in self._own_arrays():
            if (
                line.uuid == md_uuid(uuid)
                or (line.path, line.number) in places
                or _is_nameless(line, node)
            ):
                meant.append(entry)
        self._replace(meant[:1], text, meant[1:])
        return text

    def set_spares(self, uuid, count):
        """Have our ARRAY line of this uuid ask for so many spares, and be as it is otherwise;
        return whether it did not before.
        """
        for entry, line in self._own_arrays():
            is_plain = not any(re.search(r"[\s'\"#]", word) for word in entry.words)
            if line.uuid == md_uuid(uuid) and (line.spare_count or 0) != count and is_plain:
                words = [
                    word for word in entry.words if _lower(word.partition("=")[0]) != "spares"
                ] + ["spares=%d" % count] * (count > 0)
                self._replace([entry], "ARRAY " + " ".join(words), [])
                return True
        return False

    def remove_array(self, uuid):
        """Take out our ARRAY lines of this uuid; return whether there was one."""
        if not self._own_lines(uuid):
            return False
        self._drop([entry for entry, line in self._own_arrays() if line.uuid == md_uuid(uuid)])
        return True

    def set_word(self, keyword, word):
        """Make the entries of a keyword say this word: the first of them, or all, where mdadm joins
        them.
        """
        entries = self._own_entries(keyword)
        self._replace(
            entries[:1], "%s %s" % (keyword, word), entries[1:] if keyword == JOINED else []
        )

    def remove_words(self, keyword):
        """Take out all our entries of a keyword."""
        self._drop(self._own_entries(keyword))

    def merged(self):
        """Return a Configuration whose own text says all that mdadm reads in the files of this
        one.
        """
        return Configuration(
            _joined([file for file in self._files() if file.is_read]), path=self.path
        )

    def _files(self):
        """Return all ConfFiles in mdadm's order, ours among them."""
        ours = ConfFile(self.path, self.text(), self.is_read)
        return [ours] + self.others if self.is_read else self.others + [ours]

    def _own_lines(self, uuid):
        """Return the ArrayLines of a uuid that stand in our file, or in those that it takes
        over.
        """
        paths = [self.path] + [
            file.path for file in self.others if file.is_read and self._takes_over
        ]
        return [
            line for line in self.array_lines() if line.path in paths and line.uuid == md_uuid(uuid)
        ]

    def _own_entries(self, keyword):
        """Return the Entries of a keyword in our file, which says from now on what those said that
        mdadm reads no more beside it.
        """
        if self._takes_over:
            taken = [file for file in self.others if file.is_read]
            self._lines = _lines(_joined(taken))
            self.others = [file for file in self.others if file not in taken]
            self._takes_over, self.is_read = False, True
        return [entry for entry in _entries(self._lines) if entry.keyword == _keyword(keyword)]

    def _own_arrays(self):
        ours = ConfFile(self.path, "", self.is_read)
        return [(entry, _array_line(ours, entry)) for entry in self._own_entries("ARRAY")]

    def _replace(self, entries, text, others):
        """Put one line in the place of an entry, or at the end where there is none; take others
        out.
        """
        if entries and entries[0].words != text.split()[1:]:
            self._lines[entries[0].at] = text + "\n"
            others = others + [entries[0]._replace(at=None)]
        elif not entries:
            if self._lines and not self._lines[-1].endswith("\n"):
                self._lines[-1] += "\n"
            self._lines.append(text + "\n")
        self._drop(others)

    def _drop(self, entries):
        """Take out the lines of entries; comments and blank lines between them are not theirs and
        stay.
        """
        places = [place for entry in entries for place in [entry.at] + entry.more]
        self._lines = [line for at, line in enumerate(self._lines) if at not in places]


def line_of(facts, lines, home=NOWHERE):
    """Return the ArrayLine that knows an array, None when none does. facts: ArrayFacts; lines: of
    `Configuration.array_lines`; home: of its `home`.

    That is the first by which mdadm would assemble it; else one that names it all the same, so that
    whoever wrote the line counts on the array: it is of its uuid, or of its name, devices or minor
    without a uuid, though other words of the line do not fit, mdadm cannot read the uuid (a
    carriage return behind it) or does not read the file.
    """
    taken = [
        line for line in lines if line.is_read and line.known and differs(line, facts, home) is None
    ]
    return next(iter(taken or [line for line in lines if _names(line, facts, home)]), None)


def differs(line, facts, home=NOWHERE):
    """Return the first thing in which an array is not what a line asks for, in the order of mdadm's
    Assemble.c, None when it is that array.

    One of container, devices, metadata, uuid, name, super-minor, level, num-devices, member.
    """
    if not _is_in_container(line, facts):
        return "container"
    if line.container is None and not _is_listed(line, facts):
        return "devices"
    if (
        line.metadata is not None
        and facts.metadata is not None
        and not facts.metadata.startswith(line.metadata)
    ):
        return "metadata"
    checks = [
        ("uuid", line.uuid is None or line.uuid == facts.uuid),
        ("name", line.name is None or _is_named(line.name, facts.name or "", home)),
        ("super-minor", line.super_minor is None or line.super_minor == facts.super_minor),
        ("level", line.level is None or line.level == facts.level),
        ("num-devices", line.device_count is None or line.device_count == facts.device_count),
        ("member", not line.member or line.member == facts.member),
    ]
    return next((word for word, fits in checks if not fits), None)


def _names(line, facts, home):
    """Return whether a line names an array, whether or not mdadm would assemble it by this line."""
    if line.uuid is not None:
        return line.uuid == facts.uuid
    meant = [
        word[len("uuid=") :].strip() for word in line.refused if _lower(word).startswith("uuid=")
    ]
    if facts.uuid is not None and any(same_uuid(uuid, facts.uuid) for uuid in meant):
        return True
    is_named = (
        line.name is None
        or _is_named(line.name, facts.name or "", home)
        or _lower(line.name) == _lower(facts.name or "")
    )
    is_listed = line.container is not None or _is_listed(line, facts)
    is_minor = line.super_minor is None or line.super_minor == facts.super_minor
    is_member = (
        line.container is None
        or bool(facts.containers)
        and _is_in_container(line, facts)
        and line.member in (None, facts.member)
    )
    return line.known and is_named and is_listed and is_minor and is_member


def _is_in_container(line, facts):
    """Return whether a line does not ask for another container. One that is given by its uuid is
    asked for only of what is in a container.
    """
    if line.container is None or line.container in facts.containers:
        return True
    if line.container.startswith("/"):
        return False
    uuid = _uuid(line.container)
    return (
        not facts.containers
        or uuid is not None
        and any(uuid == _uuid(known) for known in facts.containers)
    )


def _is_listed(line, facts):
    """Return whether a line gives no devices or one of them is a member of the array."""
    return line.devices is None or any(
        matches(pattern, device) for pattern in line.devices for device in facts.devices
    )


def _is_named(wanted, found, home):
    """Return whether an array's name is the one that a line asks for: in full, or without the
    `host:` of this host or of all.
    """
    host, colon, rest = found.partition(":")
    is_ours = host in ("any", home.host) or home.host == "any" or not home.is_required
    return found == wanted or bool(colon) and is_ours and rest == wanted


def matches(pattern, path):
    """Return whether a path fits a pattern as fnmatch(3) with FNM_PATHNAME has it in the C locale:
    no wildcard stands for a slash.
    """
    return re.match(_expression(_latin(pattern)) + r"\Z", _latin(path), re.DOTALL) is not None


def _expression(pattern):
    """Return a pattern of fnmatch(3) as a regular expression."""
    parts, at = [], 0
    while at < len(pattern):
        bracket = re.match(BRACKET, pattern[at:])
        if pattern[at] == "\\":
            parts.append(re.escape(pattern[at + 1]) if at + 1 < len(pattern) else NEVER)
            at += 2
        elif bracket:
            parts.append(_bracket(bracket.group(1), bracket.group(2)))
            at += bracket.end()
        else:
            parts.append(WILDCARDS.get(pattern[at]) or re.escape(pattern[at]))
            at += 1
    return "".join(parts)


def _bracket(negation, items):
    """Return what stands between brackets as a regular expression."""
    found = []
    for name, low, high, single in re.findall(ITEM, items):
        if name:
            found.append(CLASSES.get(name, ""))
        elif single:
            found.append(re.escape(single[-1]))
        elif low[-1] <= high[-1]:
            found.append("%s-%s" % (re.escape(low[-1]), re.escape(high[-1])))
    members = "".join(found)
    if negation:
        return "[^/%s]" % members
    return "(?!/)[%s]" % members if members else NEVER


def _lines(text):
    """Return the lines of a text, each with its line end."""
    parts = text.split("\n")
    last = parts.pop()
    lines = [part + "\n" for part in parts]
    if last:
        lines.append(last)
    return lines


def _entries(lines):
    """Return the Entries of lines. A line that begins with a blank continues the one before,
    whatever comments and blank lines are between.
    """
    entries = []
    for at, line in enumerate(lines):
        words = _words(line)
        if words and entries and line[0] in " \t":
            entries[-1].words.extend(words)
            entries[-1].more.append(at)
        elif words:
            entries.append(Entry(_keyword(words[0]), words[1:], at, []))
    return entries


def _words(line):
    """Return the words of a line: a word that begins with # ends it, quotes hold a word together
    and are left out, a NUL ends its word.
    """
    words = []
    for found in WORD.finditer(line.rstrip("\n")):
        if found.group(0).startswith("#"):
            break
        words.append(
            QUOTED.sub(lambda part: part.group(1) or part.group(2) or "", found.group(0)).split(
                "\0"
            )[0]
        )
    return words


def _keyword(word):
    """Return the full keyword that a word means in any case, maybe abbreviated, None for what mdadm
    does not know.
    """
    if len(to_bytes(word)) < KEYWORD_MIN:
        return None
    return next((keyword for keyword in KEYWORDS if _lower(keyword).startswith(_lower(word))), None)


def _array_line(file, entry):
    """Return the ArrayLine of an Entry of a ConfFile. What mdadm takes once it takes the first
    time; of level, counts, auto, member and container the last word holds.
    """
    found, refused = {}, []
    for word in entry.words:
        key, equals, value = word.partition("=")
        key, value = ("node", word) if word.startswith("/") or not equals else (_lower(key), value)
        key = SYNONYMS.get(key, key)
        taken = READERS[key](value) if key in READERS else None
        if taken is None or key not in LAST and key in found:
            refused.append(word)
        if key in LAST or taken is not None:
            found.setdefault(key, taken)
        if key in LAST:
            found[key] = taken
    fields = {name: found.get(key) for key, name in FIELDS.items()}
    known = any(fields[name] is not None for name in IDENTITY) or None not in (
        fields["container"],
        fields["member"],
    )
    fields["spare_count"] = fields["spare_count"] or 0
    fields.update(
        path=file.path, number=entry.at + 1, words=tuple(entry.words), is_read=file.is_read
    )
    return ArrayLine(
        ignored=fields["node"] == IGNORED, known=known, refused=tuple(refused), **fields
    )


def _is_nameless(line, node):
    """Return whether it is a line for this node that finds its members by name or device: one that
    renamed disks or hosts break.
    """
    return line.node == node and line.uuid is None and line.container is None


def _node(word):
    """Return the node that a word of an ARRAY line names, None for one that cannot be an array's; a
    bare name is one in /dev/md.
    """
    if _lower(word) == IGNORED:
        return IGNORED
    if not word.startswith(("/", "<")):
        return "/dev/md/" + word
    return word if word.startswith("/dev/md/") or re.match(r"/dev/md(_d)?[0-9]+\Z", word) else None


def _uuid(text):
    """Return a uuid in mdadm's form, None for what is none: 32 digits with any of `:`, `.`, `-` and
    blanks between.
    """
    return md_uuid(text) if re.match("[0-9a-fA-F]{32}\\Z", re.sub("[:. -]", "", text)) else None


def _name(text):
    return text if 0 < len(to_bytes(text)) <= NAME_MAX_BYTES else None


def _patterns(text):
    return tuple(
        pattern
        for pattern in text.split(",")
        if pattern and len(to_bytes(pattern)) <= PATTERN_MAX_BYTES
    )


def _super_minor(text):
    number, rest = _number(text)
    return number if not rest and number not in (None, UNSET) and number >= 0 else None


def _count(text):
    """Return the number that a text begins with, as atoi(3) has it."""
    return _number(text)[0] or 0


def _device_count(text):
    return None if _count(text) == UNSET else _count(text)


def _number(text):
    """Return (the number that a text begins with, None when it begins with none; the rest) as
    strtol(3), whose result becomes an int.
    """
    found = re.match(r"[ \t\n\v\f\r]*([+-]?[0-9]+)(.*)\Z", text, re.DOTALL)
    if found is None:
        return None, text
    number = max(-LONG_MAX - 1, min(LONG_MAX, int(found.group(1))))
    return (number + INT_SPAN // 2) % INT_SPAN - INT_SPAN // 2, found.group(2)


def _metadata(text):
    return METADATA.get(re.sub("^0+(?=0)", "", text)) or METADATA.get(text.lstrip("0") or None)


def _joined(files):
    """Return the text of files as one: nothing at the head of a file continues the one before."""
    text = ""
    for file in files:
        lines = _lines(file.text)
        for entry in _entries(lines)[:1]:
            lines[entry.at] = lines[entry.at].lstrip(" \t")
        text += "".join(lines)
        text += "" if not text or text.endswith("\n") else "\n"
    return text


def _lower(text):
    """Return text with A to Z in lower case and all else as it is, as C has it."""
    return re.sub("[A-Z]+", lambda found: found.group(0).lower(), text)


def _latin(text):
    """Return text with one character for each of its bytes."""
    return to_bytes(text).decode("latin-1")


WILDCARDS = {"*": "[^/]*", "?": "[^/]"}
NEVER = "(?!)"
CLASSES = {
    "alpha": "a-zA-Z",
    "digit": "0-9",
    "alnum": "a-zA-Z0-9",
    "upper": "A-Z",
    "lower": "a-z",
    "xdigit": "0-9a-fA-F",
    "blank": r" \t",
    "space": r" \t-\r",
    "punct": r"!-/:-@\[-`{-~",
}
# Of what may stand between brackets; behind the opening one a closing one is such, too.
ONE = r"\[:[a-z]+:\]|\\.|(?!\[:[a-z]+:\])[^\\\]]"
# Patterns are rare: these are compiled when the first is met.
BRACKET = r"(?s)\[([!^]?)((?:\]|%s)(?:%s)*)\]" % (ONE, ONE)
ITEM = r"(?s)\[:([a-z]+):\]|(\\.|.)-(\\.|.)|(\\.|.)"

# How the words of an ARRAY line are read: {what stands before the =: of what follows what it gives,
# None for what mdadm does not take}.
READERS = {
    "node": _node,
    "uuid": _uuid,
    "super-minor": _super_minor,
    "name": _name,
    "bitmap": str,
    "devices": _patterns,
    "spare-group": str,
    "metadata": _metadata,
    "level": LEVELS.get,
    "num-devices": _device_count,
    "spares": _count,
    "auto": str,
    "member": str,
    "container": str,
}
LAST = ("level", "num-devices", "spares", "auto", "member", "container")
SYNONYMS = {"disks": "num-devices"}
FIELDS = {
    "node": "node",
    "uuid": "uuid",
    "super-minor": "super_minor",
    "name": "name",
    "bitmap": "bitmap",
    "devices": "devices",
    "spare-group": "spare_group",
    "metadata": "metadata",
    "level": "level",
    "num-devices": "device_count",
    "spares": "spare_count",
    "auto": "auto",
    "member": "member",
    "container": "container",
}
IDENTITY = ("uuid", "devices", "super_minor", "name")
