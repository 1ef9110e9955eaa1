"""The kinds of arguments that functions take: text as a caller gives it in, a value that the rest
of the program can rely on out.

Each kind is a function that returns the value or raises ValueError with what would be right, and
has the two attributes that `help` shows:
`shape`, what it takes, in a word or two, and `example`; and `words`, all there are to choose from
where they are few.
"""

from __future__ import absolute_import

import re

from xsraid.md.levels import LEVELS, level_name
from xsraid.md.names import NAME_MAX
from xsraid.text import shown

LIST_MAX = 256  # entries; an array has at most a few dozen members
TEXT_MAX = 1000
# Patterns stay text: `re` compiles them when they are first used, most calls use none.
ADDRESS = r"^(?!-)[A-Za-z0-9.!$%&*+/?^_{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\Z"
HOST_NAME = r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?\Z"
ARRAY_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*\Z"
SMTP_USER = r"^[^\s#=\x00-\x20\x7f]{1,250}\Z"
# Printable, without a comma, quotes and blanks.
WEBHOOK_URL = r"^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[!#-+\--~]*)?\Z"
WEBHOOK_HEADER = r"^[A-Za-z0-9-]{1,100}: ?[\x20-\x7e]+\Z"
WEBHOOKS_MAX = 10
UUID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z"
UNITS = {"K": 1 << 10, "M": 1 << 20}
CHUNK = r"^([1-9][0-9]{0,6})([KMkm])\Z"


def _kind(shape, example, words=()):
    def mark(parse):
        parse.shape, parse.example, parse.words = shape, example, words
        return parse

    return mark


@_kind("true or false", "true")
def boolean(text):
    if text not in ("true", "false"):
        raise ValueError("takes true or false, not %s" % shown(text))
    return text == "true"


LEVEL_DIGITS = [name[len("raid") :] for name in LEVELS]


@_kind("a level: %s" % ", ".join(LEVEL_DIGITS), "10", LEVEL_DIGITS)
def level(text):
    name = level_name(text)
    if name is None:
        raise ValueError(
            "takes %s (or raid10 and so on), not %s" % (", ".join(LEVEL_DIGITS), shown(text))
        )
    return name


@_kind("disks: paths, by-id links or serial numbers, comma separated", "/dev/sdb,/dev/sdc")
def disks(text):
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise ValueError("takes disks with one comma between, got an empty one in %s" % shown(text))
    if len(names) > LIST_MAX:
        raise ValueError("takes at most %d disks, got %d" % (LIST_MAX, len(names)))
    return names


@_kind("a disk: path, by-id link or serial number", "/dev/sdb")
def disk(text):
    return plain_text(text)


@_kind("an array: node, name or uuid", "md0")
def array(text):
    return plain_text(text)


@_kind("a name: mdN chooses the node, too", "md0")
def array_name(text):
    if not re.match(ARRAY_NAME, text) or len(text) > NAME_MAX:
        raise ValueError(
            "takes at most %d letters, digits, dots, dashes and underscores, not %s"
            % (NAME_MAX, shown(text))
        )
    return text


@_kind("a size in KiB or MiB, a power of two", "512K")
def chunk(text):
    match = re.match(CHUNK, text)
    size_bytes = 0
    if match:
        size_bytes = int(match.group(1)) * UNITS[match.group(2).upper()]
    if size_bytes < 4096 or size_bytes & (size_bytes - 1):
        raise ValueError(
            "takes a power of two of at least 4K, such as 64K or 1M, not %s" % shown(text)
        )
    return size_bytes


@_kind("mail addresses, comma separated", "admin@example.com")
def addresses(text):
    return ",".join(address(part.strip()) for part in text.split(","))


@_kind("a mail address", "dom0@example.com")
def address(text):
    if not re.match(ADDRESS, text) or len(text) > 254:
        raise ValueError(
            "takes a mail address such as admin@example.com, without blanks, quotes, # or =, and "
            "with no - at its beginning, not %s" % shown(text)
        )
    return text


@_kind("a host name or IPv4 address", "smtp.example.com")
def host_name(text):
    if not re.match(HOST_NAME, text) or ".." in text:
        raise ValueError(
            "takes a host name or an IPv4 address (ssmtp knows no other), without a port, not %s"
            % shown(text)
        )
    return text


@_kind("a user name", "dom0@example.com")
def smtp_user(text):
    if not re.match(SMTP_USER, text):
        raise ValueError(
            "takes a user name without blanks, # and =, which ssmtp.conf cannot carry, not %s"
            % shown(text)
        )
    return text


@_kind("the uuid of a XenAPI secret", "b8d5f3c2-0d6e-4f3a-9d53-1f7c1f6b0a11")
def secret_uuid(text):
    if not re.match(UUID, text):
        raise ValueError(
            "takes the uuid of a secret, as `xe secret-create value=...` prints it; the given "
            "value is not a uuid and is not shown here"
        )
    return text


@_kind("https addresses, comma separated", "https://hooks.example.com/services/{token}")
def webhook_urls(text):
    urls = [part.strip() for part in text.split(",")]
    wrong = [url for url in urls if not re.match(WEBHOOK_URL, url) or len(url) > TEXT_MAX]
    if wrong:
        raise ValueError(
            "takes https addresses with one comma between, such as "
            "https://hooks.example.com/services/{token}, not %s" % shown(wrong[0])
        )
    if len(urls) > WEBHOOKS_MAX:
        raise ValueError("takes at most %d addresses, got %d" % (WEBHOOKS_MAX, len(urls)))
    return ",".join(urls)


@_kind("a header of HTTP", "Authorization: Bearer {token}")
def webhook_header(text):
    if not re.match(WEBHOOK_HEADER, text) or len(text) > TEXT_MAX:
        raise ValueError(
            "takes one header, a name, a colon and a value, such as Authorization: Bearer "
            "{token}, not %s" % shown(text)
        )
    return text


def plain_password(text):
    raise ValueError(
        "a password is not taken as an argument, which logs and `ps` show: make a secret with `xe "
        "secret-create value=...` and give its uuid as smtp_password_secret"
    )


@_kind("text on one line", "Local RAID10")
def plain_text(text):
    if len(text) > TEXT_MAX:
        raise ValueError("takes at most %d characters, got %d" % (TEXT_MAX, len(text)))
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise ValueError("takes one line without control characters, not %s" % shown(text))
    return text


def whole_number(low, high):
    @_kind("a whole number from %d to %d" % (low, high), str(low))
    def parse(text):
        if not re.match(r"[0-9]{1,9}\Z", text) or not low <= int(text) <= high:
            raise ValueError(
                "takes a whole number from %d to %d, not %s" % (low, high, shown(text))
            )
        return int(text)

    return parse


def choice(*words):
    @_kind(" or ".join(words), words[0], words)
    def parse(text):
        if text not in words:
            raise ValueError("takes %s, not %s" % (" or ".join(words), shown(text)))
        return text

    return parse


# The settings of alerts by name: as arguments, and again when XAPI gives back what it has kept.
ALERTS = {
    "mail_to": addresses,
    "mail_from": address,
    "smtp_host": host_name,
    "smtp_port": whole_number(1, 65535),
    "smtp_security": choice("starttls", "tls", "none"),
    "smtp_user": smtp_user,
    "smtp_password_secret": secret_uuid,
    "xapi_messages": boolean,
    "webhook_urls": webhook_urls,
    "webhook_header": webhook_header,
    "webhook_token_secret": secret_uuid,
    "xo_alarms": boolean,
}
