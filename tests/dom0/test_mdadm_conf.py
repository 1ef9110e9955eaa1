"""mdadm.conf as the product reads it and as mdadm reads it: random files, read by both. Another
seed: XSRAID_SEED=7; more of them: FILES=5000.
"""

import collections
import itertools
import json
import os
import random
import re

import pytest

from tests.dom0.steps import one_of
from xsraid.host.files import Host
from xsraid.md import conf
from xsraid.md import state as md_state

DOM0_OPTIONS = {"rpm": "", "disks": ("d0", "d1", "d2", "d3", "d4")}
PREFERRED_PYTHON = "3.6"  # none of it depends on it
SEED, FILES, AT_ONCE = (
    int(os.environ.get("XSRAID_SEED", "1")),
    int(os.environ.get("FILES", "1000")),
    250,
)
FEW = 100
HOST_NAME, NOBODY = "dom0", "mdadm monitoring <root>"

# The arrays on the disks: one with the name that all hosts share, one of another host over two
# disks, one without a name, one of this host.
Array = collections.namedtuple("Array", "uuid name super_minor level metadata devices")
ARRAYS = (
    Array("11111111:2222aaaa:33333333:44444444", "any:mine", None, 1, "1.2", ("/dev/sda",)),
    Array(
        "55555555:66666666:7777bbbb:88888888", "other:far", None, 0, "1.0", ("/dev/sdb", "/dev/sdc")
    ),
    Array("99999999:aaaaaaaa:bbbbbbbb:cccccccc", "", 7, 1, "0.90", ("/dev/sdd",)),
    Array("dddddddd:eeeeeeee:ffffffff:00000001", "dom0:data", None, 1, "1.2", ("/dev/sde",)),
)

# What mdadm says of a device that is not what a line asks for; the words are those of
# mdadmconf.differs, and two of this test.
SAID = (
    ("container", r"(\S+) is not the container required"),
    ("devices", r"(\S+) is not one of "),
    ("metadata", r"no RAID superblock on (\S+)"),
    ("metadata", r"no recogniseable superblock on (\S+)"),
    ("uuid", r"(\S+) has wrong uuid"),
    ("name", r"(\S+) has wrong name"),
    ("super-minor", r"(\S+) has wrong super-minor"),
    ("level", r"(\S+) has wrong raid level"),
    ("num-devices", r"(\S+) requires wrong number"),
    ("member", r"(\S+) is not a container and one is required"),
    ("homehost", r"(\S+) misses out due to wrong homehost"),
    ("auto", r"(\S+) has metadata type \S+ for which auto-assembly is disabled"),
    ("found", r"(\S+) is identified as a member of "),
    ("abort", r"superblock on (\S+) doesn't match others - assembly aborted"),
)


# files

LINE_ENDS = ["\n"] * 8 + [
    "\n\n",
    " \n",
    "\t# said\n",
    "\n# said\n",
    "\r\n",
    "\n\r\n",
    "\n \n",
    "\n\xa0\n",
    " #\n",
    "\n'\n",
    '\n""\n',
]
SLIPS = [
    "\n",
    " ",
    "\t",
    "#",
    "'",
    '"',
    "=",
    "\r",
    "\x00",
    "\xff",
    "\xe2\x80\xa8",
    "\x0b",
    "\x85",
    ",",
    "",
]


def random_file(rng):
    """Return a text, one character for each byte."""
    text = rng.choice(["", "", "", "# by hand\n", "\n", "   ", "\t\n ", "\r\n", "#\n  "])
    for _ in range(rng.choice([1, 2, 3, 4, 5, 6])):
        words = rng.choice(
            [
                array_words,
                array_words,
                array_words,
                array_words,
                mail_words,
                mail_words,
                other_words,
            ]
        )(rng)
        text += words[0]
        for word in words[1:]:
            text += separator(rng) + quoted(rng, word)
        text += rng.choice(LINE_ENDS)
    if rng.random() < 0.3:
        text = text.rstrip("\n")
    for _ in range(rng.choice([0] * 6 + [1, 2])):
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice(SLIPS) + text[at + 1 :]
    return text


def separator(rng):
    return rng.choice(
        [" "] * 12
        + [
            "\t",
            "  ",
            "\n ",
            "\n\t",
            "\n\n ",
            "\n# x\n ",
            "\n  # x\n\t",
            " # x\n ",
            "\n#\n\n \n ",
            "\r\n ",
            "\x0b",
            "\xa0",
        ]
    )


def quoted(rng, word):
    """Return a word, some in quotes, some only in part, a few in quotes that never end."""
    at = rng.randrange(len(word) + 1)
    plain = [word] * 12
    return rng.choice(
        plain
        + [
            f'"{word}"',
            f"'{word}'",
            f"{word[:at]}'{word[at:]}'",
            f'"{word[:at]}"{word[at:]}',
            f'{word[:at]}""{word[at:]}',
            f"{word[:at]}'{word[at:]}",
        ]
    )


def in_any_case(rng, word):
    return rng.choice(
        [
            word,
            word,
            word,
            word.upper(),
            word.capitalize(),
            "".join(rng.choice([part, part.upper()]) for part in word),
        ]
    )


def abbreviated(rng, word):
    return in_any_case(
        rng,
        rng.choice(
            [word] * 12
            + [word[:3]] * 3
            + [word[:4], word[: rng.randrange(1, len(word) + 1)], word + "s"]
        ),
    )


def uuid_word(rng):
    uuid = rng.choice(
        [array.uuid for array in ARRAYS] * 3 + ["0" * 32, "12345678:12345678:12345678:12345678"]
    )
    return rng.choice(
        [uuid] * 6
        + [
            uuid.upper(),
            uuid.replace(":", ""),
            uuid.replace(":", "-"),
            uuid.replace(":", "."),
            uuid.replace(":", " "),
            uuid[:-1],
            uuid + "0",
            uuid + "\r",
            "",
            uuid.replace("1", "x"),
            "0x" + uuid,
        ]
    )


def name_word(rng):
    return rng.choice(
        [
            "any:mine",
            "mine",
            "Mine",
            "dom0:data",
            "data",
            "other:far",
            "far",
            "Dom0:data",
            "other:data",
            ":data",
            "",
            "x" * 32,
            "x" * 33,
            "far\xff",
            "\xc3\xbc" * 17,
            "none",
        ]
    )


def devices_word(rng):
    patterns = [
        "/dev/sda",
        "/dev/sdb",
        "/dev/sdc",
        "/dev/sdd",
        "/dev/sde",
        "/dev/sd?",
        "/dev/sd*",
        "/dev/*",
        "*",
        "/dev/sd[bc]",
        "/dev/sd[!a]",
        "",
        "/dev/sd[a-c]",
        "/dev/sd[^de]",
        "/dev/disk/by-id/*",
        "/dev/sd\\a",
        "/dev/sd[",
        "sda",
        "/*/sde",
        "/dev/sda1",
        "/dev/SDA",
        "x" * 1030,
    ]
    return ",".join(rng.choice(patterns) for _ in range(rng.choice([1, 1, 2, 3])))


def number_word(rng):
    return rng.choice(
        [
            "0",
            "1",
            "1",
            "2",
            "2",
            "7",
            "7",
            "+7",
            " 7",
            "07",
            "7x",
            "x",
            "",
            "-1",
            "65534",
            "4294967303",
            "99999999999999999999",
        ]
    )


ARRAY_WORDS = {
    "uuid": uuid_word,
    "name": name_word,
    "devices": devices_word,
    "super-minor": number_word,
    "num-devices": number_word,
    "disks": number_word,
    "spares": number_word,
    "level": lambda rng: rng.choice(
        [
            "raid1",
            "1",
            "mirror",
            "raid0",
            "0",
            "stripe",
            "raid5",
            "RAID1",
            "linear",
            "container",
            "x",
            "",
        ]
    ),
    "metadata": lambda rng: rng.choice(
        [
            "1.2",
            "1.2",
            "1",
            "1.0",
            "1.1",
            "0.90",
            "0",
            "01.02",
            "00.90",
            "default",
            "imsm",
            "ddf",
            "2",
            "1.x",
            "",
        ]
    ),
    "container": lambda rng: rng.choice(["/dev/md/imsm", ARRAYS[0].uuid, "x", ""]),
    "member": lambda rng: rng.choice(["0", "1", ""]),
    "spare-group": lambda rng: rng.choice(["g", ""]),
    "auto": lambda rng: rng.choice(["yes", "no", "md", "mdp", "part", "p4", "md-4", "YES", ""]),
}
IDENTITY_WORDS = ("uuid", "uuid", "uuid", "name", "name", "devices", "super-minor")
NODES = (
    "/dev/md0",
    "/dev/md1",
    "/dev/md/one",
    "/dev/md/two",
    "three",
    "4",
    "/dev/md5",
    "/dev/md8",
    "/dev/md/9",
)
ODD_NODES = (
    "<ignore>",
    "<ignore>",
    "<Ignore>",
    "<none>",
    "/dev/foo",
    "/dev/mdx",
    "/dev/md",
    "/dev/md/a=b",
)


def array_words(rng):
    words = [rng.choice(NODES if rng.random() < 0.8 else ODD_NODES)] if rng.random() < 0.9 else []
    keys = [rng.choice(IDENTITY_WORDS) for _ in range(rng.choice([0, 1, 1, 1, 1, 2]))]
    keys += [rng.choice(list(ARRAY_WORDS)) for _ in range(rng.choice([0, 0, 0, 1, 1, 2]))]
    words += [f"{in_any_case(rng, key)}={ARRAY_WORDS[key](rng)}" for key in keys]
    words += [
        rng.choice(["uuid", "uui=1", "=", "sparse=1", "level"])
        for _ in range(rng.choice([0] * 12 + [1]))
    ]
    if rng.random() < 0.3:
        rng.shuffle(words)
    return [abbreviated(rng, "array"), *words]


def mail_words(rng):
    keyword = rng.choice(["mailaddr", "mailaddr", "mailaddr", "mailfrom", "program"])
    words = [
        "root",
        "a@example.com",
        "a@example.com,",
        "b@example.com",
        "a@x,b@y",
        "Jack <j@example.com>",
        "/usr/sbin/handler",
        "J\xc3\xbcrgen",
        "\xff",
        "",
    ]
    return [
        abbreviated(rng, keyword),
        *[rng.choice(words) for _ in range(rng.choice([0, 1, 1, 1, 2, 3]))],
    ]


OTHER_WORDS = {
    "device": ["partitions", "partitions", "containers", "sda", "Partitions", "/dev/nothing"],
    "homehost": [
        "<system>",
        "<none>",
        "<ignore>",
        "<IGNORE>",
        "other",
        "any",
        "dom0",
        "<NONE>",
        "<System>",
        "",
    ],
    "create": ["mode=0660", "names=no"],
    "auto": ["+1.x", "-all", "yes"],
    "policy": ["action=ignore"],
    "homecluster": ["x"],
    "monitordelay": ["1", "x"],
    "sysfs": ["x"],
    "part-policy": ["x"],
    "junk": ["x"],
    "ARRA=": ["x"],
}


def other_words(rng):
    kind = rng.choice(["device", "homehost", "homehost", *OTHER_WORDS])
    words = OTHER_WORDS[kind]
    return [abbreviated(rng, kind), *[rng.choice(words) for _ in range(rng.choice([0, 1, 1, 2]))]]


# what the product expects of mdadm


def expected(configuration, disks):
    """Return what mdadm will say of a Configuration on a host with these disks.

    None if it gives up, else one list for each line, of (device, word of SAID).
    """
    lines = [line for line in configuration.array_lines() if line.known and line.is_read]
    if any(
        not re.match(r"(?i)(no|yes|md|)\Z|(md|yes|mdp|p|part.*?)-?[0-9]*\Z", value)
        for value in auto_words(configuration)
    ):
        return None
    raw = [raw_node(line) for line in lines]
    named = [node for node in raw if node not in (None, "<ignore>")]
    if len(set(named)) < len(named):
        return None
    home = configuration.home(HOST_NAME)
    devices = disks if looks_at_disks(configuration) else []
    return [findings(line, devices, home) for line in lines if not line.ignored and devices]


def auto_words(configuration):
    words = [
        word
        for line in configuration.array_lines()
        for word in line.words
        if not word.startswith("/")
    ]
    words += [word for entry in configuration.words("CREATE") for word in entry]
    return [word[5:] for word in words if word[:5].lower() == "auto="]


def raw_node(line):
    """Return the word that gives a line its node."""
    if line.node is None:
        return None
    spellings = (
        line.node,
        line.node[len("/dev/md/") :] if line.node.startswith("/dev/md/") else None,
    )
    return next(
        word
        for word in line.words
        if word in spellings or line.ignored and word.lower() == line.node
    )


def looks_at_disks(configuration):
    """Return whether the DEVICE lines let mdadm look at disks."""
    words = [word.lower() for entry in configuration.words("DEVICE") for word in entry]
    known = [word for word in words if word.startswith("/") or word in ("partitions", "containers")]
    return not known or "partitions" in known


def findings(line, devices, home):
    """Return [(device, word of SAID)] as mdadm's Assemble.c comes to them; None for a line that
    only makes it assemble whatever is left.
    """
    is_auto = (
        line.node is None
        and line.uuid is None
        and line.super_minor is None
        and line.name is None
        and None in (line.container, line.member)
    )
    if is_auto and line.metadata is not None:
        return None
    found, first, used = [], None, []
    for device in devices:
        array = next(array for array in ARRAYS if device in array.devices)
        facts = conf.ArrayFacts(
            uuid=array.uuid,
            name=array.name,
            devices=(device,),
            super_minor=array.super_minor,
            level=array.level,
            device_count=len(array.devices),
            metadata=array.metadata,
        )
        # The words are compared, so that a slip in one word of a line shows in each.
        word = conf.differs(line, facts, home)
        if word not in ("container", "devices", "metadata") and is_auto:
            word = "auto"
        if word not in ("container", "devices") and first and array.metadata != first.metadata:
            word = "metadata"
        if word is None and first not in (None, array):
            ours = [is_of(known, home) for known in (first, array)]
            if ours[0] == ours[1]:
                return [*found, (device, "abort")]
            if ours[0]:
                word = "homehost"
            else:
                used = []
        if word is None:
            used.append(device)
            first = first or array
        else:
            found.append((device, word))
    makes_node = line.node is None or re.match(r"/dev/md([0-9]+|/[^/]+)\Z", line.node)
    return found + [(device, "found") for device in used if makes_node]


def is_of(array, home):
    return home.host is not None and array.name.startswith(home.host + ":")


# what mdadm says


def read(messages):
    """Return what `expected` returns, of what mdadm has said."""
    found = []
    for message in messages.split("\n"):
        if "looking for devices for " in message:
            found.append([])
        for word, pattern in SAID:
            match = re.match("mdadm: " + pattern, message)
            if match and match.group(1) != "/dev/ubda":
                found[-1].append((match.group(1), word))
    return found


def as_cat_shows(text):
    """Return bytes as `cat -t` shows them."""
    shown = ""
    for char in text:
        code, high = ord(char), ""
        if code >= 128:
            code, high = code - 128, "M-"
        shown += (
            char
            if char == "\n"
            else high + ("^" + chr(code ^ 64) if code < 32 or code == 127 else chr(code))
        )
    return shown


def mailed(messages):
    """Return (From, To) of the mail, None without one, and the program."""
    header = {key: re.search(rf"^{key}: (.*)$", messages, re.MULTILINE) for key in ("From", "To")}
    program = re.search(
        r'^mdadm: Monitor using program "([^\n]*)" from config file$', messages, re.MULTILINE
    )
    mail = (
        (
            re.sub(r"^mdadm monitoring <root.*>$", NOBODY, header["From"].group(1)),
            header["To"].group(1),
        )
        if header["To"]
        else None
    )
    return mail, program.group(1) if program else None


def would_mail(configuration):
    to, sender, program = (
        configuration.first("MAILADDR"),
        configuration.sender(),
        configuration.first("PROGRAM"),
    )
    mail = (
        None
        if to is None
        else (
            as_cat_shows(as_bytes(NOBODY if sender is None else sender)),
            as_cat_shows(as_bytes(to)),
        )
    )
    return mail, as_bytes(program)


def as_product_has_it(text):
    """Return what stands for bytes in the product on this Python."""
    return text.encode("latin-1").decode("utf-8", "surrogateescape")


def as_bytes(text):
    return None if text is None else text.encode("utf-8", "surrogateescape").decode("latin-1")


@pytest.fixture(scope="module")
def laid_out(dom0):
    """A Dom0 that has the arrays on its disks, at which nobody but mdadm looks."""
    lay_out(dom0)
    return dom0


def lay_out(dom0):
    for number, array in enumerate(ARRAYS):
        name = f"--name={array.name}" if array.name else ""
        node = "/dev/md7" if array.super_minor == 7 else f"/dev/md1{number}"
        dom0.run(
            f"mdadm --create {node} --run --force --metadata={array.metadata} "
            f"--level={array.level} --raid-devices={len(array.devices)} "
            f"--uuid={array.uuid} {name} {' '.join(array.devices)}"
        )
    units = (
        "systemd-udevd.service systemd-udevd-kernel.socket systemd-udevd-control.socket "
        "mdmonitor.service"
    )
    dom0.run(
        f"udevadm settle; systemctl mask --runtime {units}; systemctl stop {units}; mdadm "
        "--stop --scan",
        check=False,
    )
    dom0.run("mount --bind /bin/cat /usr/sbin/sendmail")
    assert "active" not in dom0.run("cat /proc/mdstat").out


def ask_mdadm(dom0, texts):
    """Return [(status, messages of --assemble, of --monitor)] of what mdadm makes of texts, or of
    the files in /etc for None.
    """
    with open(dom0.share + "/texts.json", "w", encoding="utf-8") as given:
        json.dump(texts, given)
    done = dom0.run(
        "setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin python3.11 "
        "/bed/dom0/guest/read_configurations.py /share/texts.json",
        timeout_s=300,
    )
    return json.loads(done.out)


def are_same(want, have):
    """Return whether each line finds and rejects what was expected; None expects nothing."""
    if len(have) < len(want):
        return False
    return all(
        ours is None or set(ours) == set(theirs)
        for ours, theirs in zip(want, have[: len(want)], strict=True)
    )


def disks_in_mdadms_order(dom0):
    """Return the disks as mdadm comes to them: the last in the kernel's list first. The kernel
    lists them as they came, whatever their letters.
    """
    return [
        "/dev/" + name
        for name in re.findall(r" (sd[a-z])$", dom0.run("cat /proc/partitions").out, re.MULTILINE)
    ][::-1]


def disagreements(texts, answers, disks):
    """Yield (text, what, the product's, mdadm's)."""
    for text, (_, assembled, monitored) in zip(texts, answers, strict=True):
        configuration = conf.Configuration(as_product_has_it(text))
        want, have = expected(configuration, disks), read(assembled)
        if want is None and have:
            yield text, "gives up", want, have
        if want is not None and not are_same(want, have):
            yield text, "lines", want, have
        if want is not None and any(
            line for line in have[len(want) :] if "found" in [word for _, word in line]
        ):
            yield text, "more lines", want, have
        mail, program = would_mail(configuration)
        if want is not None and (mail, program) != mailed(monitored):
            yield text, "mail", (mail, program), mailed(monitored)


@pytest.mark.parametrize("count", one_of(FEW, FILES))
def test_random_files_are_read_as_mdadm_reads_them(laid_out, count):
    rng = random.Random(SEED)
    texts = [random_file(rng) for _ in range(count)]
    found, disks = [], disks_in_mdadms_order(laid_out)
    for start in range(0, count, AT_ONCE):
        part = texts[start : start + AT_ONCE]
        found += disagreements(part, ask_mdadm(laid_out, part), disks)
    shown = "".join(
        f"\n{text!r}\n  {what}\n  xsraid {ours}\n  mdadm  {theirs}"
        for text, what, ours, theirs in found[:5]
    )
    assert not shown, (
        f"{len(found)} of {count} files of XSRAID_SEED={SEED} are read otherwise{shown}"
    )


PLACES = (
    "mdadm.conf",
    "mdadm/mdadm.conf",
    "mdadm.conf.d/b.conf",
    "mdadm/mdadm.conf.d/c.conf",
    "mdadm.conf.d/a.conf",
)
NO_PARTS = (
    "mdadm.conf.d/.hidden.conf",
    "mdadm.conf.d/.conf",
    "mdadm.conf.d/a.conf.rpmsave",
    "mdadm/mdadm.conf.d/readme",
)


def test_of_several_files_those_are_read_that_mdadm_reads_and_in_its_order(laid_out, tmp_path):
    """Whichever of them are there; how Debian's build and CentOS's differ in this is tried in
    tests/unit, this is Debian's.
    """
    read_by = []
    for count in range(len(PLACES) + 1):
        for number, present in enumerate(itertools.combinations(PLACES, count)):
            root = tmp_path / f"{count}-{number}"
            write_all(
                root / "etc",
                {
                    place: f"  ARRAY /dev/md/{place.replace('/', '-')} super-minor=9\n"
                    for place in present + NO_PARTS
                },
            )
            (root / "etc/debian_version").write_text("12.0\n")
            lines = [
                line
                for line in md_state.read_configuration(Host(str(root))).array_lines()
                if line.is_read
            ]
            assert [line.path[len("/etc/") :].replace("/", "-") for line in lines] == [
                line.node[len("/dev/md/") :] for line in lines
            ]
            files = {
                str(path.relative_to(root)): path.read_text()
                for path in (root / "etc").rglob("*")
                if path.is_file()
            }
            read_by.append((present, files, [line.node for line in lines]))
    asked = [(present, nodes, in_etc(laid_out, files)) for present, files, nodes in read_by]
    assert [(present, nodes) for present, nodes, _ in asked] == [
        (present, theirs) for present, _, theirs in asked
    ]


def write_all(folder, texts):
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def in_etc(dom0, files):
    """Return the nodes of ARRAY lines in the order in which mdadm comes to them, with these files
    in /etc.
    """
    dom0.run(
        "rm -rf /etc/mdadm /etc/mdadm.conf /etc/mdadm.conf.d; mkdir -p /etc/mdadm/mdadm.conf.d "
        "/etc/mdadm.conf.d"
    )
    dom0.run(
        "".join(
            f"echo '{text.rstrip()}' >/{path}\n" for path, text in files.items() if "mdadm" in path
        )
        or "true"
    )
    ((_, said, _),) = ask_mdadm(dom0, [None])
    return re.findall(r"looking for devices for (/dev/md/\S+)", said)
