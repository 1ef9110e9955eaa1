"""ssmtp: its two files in /etc/ssmtp, and handing one message over and learning what became of it.

Facts about ssmtp 2.64 (ssmtp.conf(5) and trials): a `#` ends a value wherever it stands, so do
blanks and, but for CentOS's build, `=`; it has no queue; with -v it prints the dialogue with the
server, the password left out. Of an answer of several lines it knows the last. Of each header it
sends the first 2046 bytes, continuation lines included; whom a longer To names, it addresses all
the same. It takes an argument that begins with - for an option, whatever stands before it. It
greets with Hostname, without it with what gethostname(2) says; mail to a local account of the
system it addresses to root, as one address; AuthMethod=cram-md5 makes it log in that way and no
other, without it that is LOGIN.
"""

from __future__ import absolute_import

import binascii
import collections
import email.utils
import os
import re
import smtplib
import socket
import ssl

from xsraid.errors import BadArgument, CommandFailed, Timeout
from xsraid.host.process import run
from xsraid.text import native, shown, to_bytes

CONFIGURATION = "/etc/ssmtp/ssmtp.conf"
REVALIASES = "/etc/ssmtp/revaliases"
# CentOS, Debian.
CA_BUNDLES = ("/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/certs/ca-certificates.crt")
# smtp_security: UseTLS, UseSTARTTLS.
YES_NO = {"starttls": ("YES", "YES"), "tls": ("YES", None), "none": (None, None)}
APP_PASSWORD = r"[a-z]{4}( [a-z]{4}){3}\Z"
UNCARRIED = (
    (r"[\r\n]", "a line break"),
    (r"#", "a #, where ssmtp takes the rest for a comment"),
    (r"[ \t]", "a blank, where ssmtp ends the password"),
    (r"[\x00-\x1f\x7f]", "a control character"),
)
SMTP_PORT = 25  # ssmtp's, where none is given
LINE_MAX = 76  # of a header; RFC 5322 wants at most 78, RFC 2047 76 where there are encoded words
WORD_MAX = LINE_MAX - len("Subject: ")  # longer ones are encoded, which makes them shorter
# Of UTF-8, whole characters, as much as an encoded word on the line of `Subject:` has room for.
PIECE = b".{1,39}(?![\x80-\xbf])"
# Bytes of a line of the body: servers may refuse more than 998 (RFC 5321, 4.5.3.1.6), and a dot at
# its beginning becomes two.
BODY_LINE_MAX = 990
FIELD_MAX = 2000  # bytes of a header, for ssmtp's sake
# An address that sendmail takes for neither an option nor several.
ARGUMENT = r"[^\s,\x00-\x20\x7f-][^\s,\x00-\x20\x7f]*\Z"
LABEL = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?\Z"  # of a host name
GREETING_MAX = 63  # of the name that ssmtp greets with: its buffer has 64 bytes
Answer = collections.namedtuple("Answer", "accepted response advice")
NO_CONNECTION = "Cannot open"  # ssmtp's words, whatever the reason
LOOK_S = 5  # for each step of finding that out

# What became of a mail, see `verdict`.
ACCEPTED, LATER, REFUSED, LOGIN = "accepted", "later", "refused", "login"
# At what, and the server's words.
ANSWERED = (
    r"(?:(RCPT TO:<[^>]*>|Authorization failed|Server [^(]*) \()?([45]\d\d(?![A-Za-z0-9]).*|\)\Z)"
)
FOR_NOW = "The server refuses for now; it is tried again."
WANTS_LOGIN = (
    "The server wants a login or TLS first: give smtp_user and smtp_password_secret, and "
    "smtp_security=starttls."
)
NO_RELAY = (
    "The server refuses an address or will not relay: check mail_to, let mail_from be an address "
    "of the server's, and give smtp_user and smtp_password_secret where it relays for its users "
    "only."
)
# What servers answer: (pattern, verdict, advice), the first that fits counts; verdict None: as the
# first digit says. A pattern sees the words from the code on, and on a second line at what ssmtp
# had them; addresses are <>. Gmail's last lines have only codes and an address on the web.
CAUSES = (
    (
        r"too many (?:\w+ )?(?:login|auth)",
        LOGIN,
        "The server has seen too many logins; it is tried again, but seldom, so that it lets this "
        "host in again.",
    ),
    (
        r"basic authentication is|5\.7\.139 .*(?:disabled|security defaults|criteria)",
        LOGIN,
        "Microsoft 365 has SMTP AUTH switched off, for the organization or this mailbox: its "
        'administrator can allow "Authenticated SMTP"; '
        "else give a server that takes a password, or one that relays for this host without a "
        "login.",
    ),
    (
        r"application-specific password|app password|InvalidSecondFactor",
        LOGIN,
        "The account has two factors and takes an app password only: make one in its security "
        "settings and give it as smtp_password_secret.",
    ),
    (
        r"^[5)].*\nAuthorization|^53[45]\b",
        LOGIN,  # ): it was given the password and hung up
        "The server refuses user or password: check smtp_user and the secret; with two-factor "
        "accounts it must be an app password.",
    ),
    (
        r"^5.*\nServer",
        LOGIN,
        "The server takes no login this way: leave smtp_user and smtp_password_secret out, or give "
        "the smtp_port where it does (587, 465).",
    ),
    (r"^53[08]\b|^5.*\bSTARTTLS\b", LOGIN, WANTS_LOGIN),
    # It is about no mail, and this one will do when the name is right.
    (
        r"\b(?:helo|ehlo)\b|^501 .*invalid domain name",
        LATER,
        "The server refuses the name that this host greets with: let Hostname in "
        + CONFIGURATION
        + " be a fully qualified one, best one in DNS.",
    ),
    (r"\bSTARTTLS\b", LATER, WANTS_LOGIN),
    (
        r"^.{4} ?[45]\.7\.2[0-4678]\b|\b(?:SPF|DMARC)\b",
        None,
        "The server wants proof, by SPF or DKIM, that mail of mail_from's domain may come from "
        "here: send it through that domain's own mail server.",
    ),
    (
        r"SendAsDenied|permissions? to send|not owned by|sender address is not allowed",
        None,
        "The server does not let smtp_user send as mail_from: let mail_from be that user's "
        "address, or have the operator allow it.",
    ),
    (
        r"address is not verified",
        None,
        "Amazon SES takes mail from verified addresses only, and in its sandbox to such only: "
        "verify mail_from there, and mail_to.",
    ),
    (
        r"domain of sender|sender address rejected: domain",
        None,
        "The server finds no domain of mail_from in DNS: let mail_from be an address that exists.",
    ),
    (
        r"gr[ae]y-?list",
        LATER,
        "The server lets mail from hosts that are new to it wait (greylisting); it is tried again "
        "and then taken.",
    ),
    # Also 552: it is emptied some day, and the alert is not lost.
    (
        r"^.{4} ?[45]\.2\.2\b|mailbox.{0,40}(?:full|quota|limit)|over ?quota",
        LATER,
        "The mailbox of a recipient is full; it is tried again. Make room in it, or change "
        "mail_to.",
    ),
    (
        r"^(?!.*\bsize\b)(?:.{4} ?5\.4\.5\b|.*(?:(?:quota|rate|limit) "
        r"?exceeded|(?:exceeded|reached).{0,40}limit))",
        LATER,
        "The server takes no more mails of this user for a while; it is tried again.",
    ),
    (
        r"block list|\bis listed\b|listed at\b|banned|client host|\bPTR\b|^.{4} ?[45]\.7\.25\b",
        LATER,
        "The server refuses this host's network address: see to its name in DNS, or to the list "
        "that has it, or give a server with a login.",
    ),
    (r"^5.*relay", REFUSED, NO_RELAY),
    (
        r"^5.*(?:authentication (?:is )?required|not (?:authenticated|logged in))",
        LOGIN,
        WANTS_LOGIN,
    ),
    (r"^4|^5.*(?:try (?:again )?later|temporar)", LATER, FOR_NOW),
    (r"^5.*\nRCPT|^55[013]\b", REFUSED, NO_RELAY),
    (r"^5", REFUSED, "This is the mail server's own answer: its operator can tell why."),
)


def directives(text):
    """Return {lower case key: value} of an ssmtp.conf."""
    found = {}
    for line in text.splitlines():
        key, value = _directive(line)
        if key:
            found[key] = value
    return found


def with_directives(text, wanted):
    """Return an ssmtp.conf's text in which each key of `wanted` [(key, value)] stands once with its
    value, or not at all where that is None.

    Comments, foreign keys and the order of lines stay.
    """
    lines = text.splitlines(True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    for key, value in wanted:
        places = [at for at, line in enumerate(lines) if _directive(line)[0] == key.lower()]
        if value is not None and not places:
            lines.append("%s=%s\n" % (key, value))
        elif value is not None and _directive(lines[places[0]])[1] != value:
            lines[places[0]] = "%s=%s\n" % (key, value)
        for at in reversed(places if value is None else places[1:]):
            del lines[at]
    return "".join(lines)


def with_alias(text, account, address, mailhub):
    """Return a revaliases' text in which mail of a local account leaves under `address` through
    `mailhub` (host:port).
    """
    lines = [
        line
        for line in text.splitlines(True)
        if line.split(":")[0].strip() != account or line.startswith("#")
    ]
    alias = "%s:%s:%s\n" % (account, address, mailhub)
    if alias in text.splitlines(True):
        return text
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    return "".join(lines) + alias


def wanted_directives(host, settings, password):
    """Return [(key, value)] of ssmtp.conf for the settings of `alerts`; password: None for a server
    that asks for none.
    """
    use_tls, use_starttls = YES_NO[settings["smtp_security"]]
    bundle = None
    if use_tls:
        there = (path for path in CA_BUNDLES if host.read_if_there(path) is not None)
        bundle = next(there, None)
    known = directives(host.read_if_there(CONFIGURATION) or "").get("hostname")
    own = host.attribute("/proc/sys/kernel/hostname") or os.uname()[1]
    return [
        ("root", settings["mail_to"].split(",")[0]),
        ("Hostname", greeting_name(known, own, settings["mail_from"])),
        ("mailhub", "%s:%d" % (settings["smtp_host"], settings["smtp_port"])),
        ("FromLineOverride", "YES"),
        ("UseTLS", use_tls),
        ("UseSTARTTLS", use_starttls),
        ("TLS_CA_File", bundle),
        ("AuthUser", settings["smtp_user"]),
        ("AuthPass", password),
        ("AuthMethod", None),
    ]


def greeting_name(known, own, sender):
    """Return the name that ssmtp shall greet servers with: one that is fully qualified, since many
    refuse others (504 5.5.2).

    known: what ssmtp.conf has, which stays where it serves: servers may ask DNS for it, and
    somebody may have chosen it so; own: this host's name, qualified or not; sender: an address,
    whose domain then makes the name whole. The domain alone would be another machine's name, which
    some refuse. Where nothing serves it is what is known.
    """
    domain = sender.split("@", 1)[-1]
    short = re.sub(r"[^A-Za-z0-9]+", "-", own.split(".")[0]).strip("-")
    short = "dom0" if short.lower() in ("", "localhost") else short
    whole = "%s.%s" % (short[: GREETING_MAX - len(domain) - 1].rstrip("-"), domain)
    return next(
        (name for name in (known, own.rstrip("."), whole) if name and is_fully_qualified(name)),
        known,
    )


def is_fully_qualified(name):
    """Return whether a host name is of the form that servers want: two labels or more, none of them
    this machine's word for itself.
    """
    labels = name.lower().split(".")
    return (
        len(name) <= GREETING_MAX
        and len(labels) > 1
        and all(re.match(LABEL, label) for label in labels)
        and not labels[-1].isdigit()
        and not set(labels) & {"localhost", "localdomain"}
    )


def carried_password(password):
    """Return (password as ssmtp.conf can carry it, warnings). Raises BadArgument with the reason
    why it cannot; the password is in no error.
    """
    if re.match(APP_PASSWORD, password):
        password = password.replace(" ", "")
    if not password:
        raise BadArgument("smtp_password_secret", "the secret is empty")
    for pattern, what in UNCARRIED:
        if re.search(pattern, password):
            raise BadArgument(
                "smtp_password_secret",
                "the password holds %s: ssmtp.conf cannot carry it; set another at the mail server"
                % what,
            )
    return password, [
        "the password holds a =, which some builds of ssmtp cut off: let test_alert prove it"
    ] if "=" in password else []


def compose(sender, recipients, subject, body, seconds, identity, thread):
    """Return a message, headers and body, as text. Headers are folded; each value is one line,
    whatever it holds. Long lines of the body are parted.

    sender, recipients: addresses; subject: one line; body: lines, both in UTF-8 as they are;
    seconds: its date, since 1970; identity: of the alert, the same each time it is sent; thread:
    what mails that belong together share, or None.
    """
    domain = sender.split("@", 1)[-1].rstrip("> ")  # MAILFROM may be: Name <address>
    headers = (
        [("From", sender)]
        + _addressed(recipients)
        + [
            ("Subject", _header_text(subject)),
            ("Date", email.utils.formatdate(seconds)),
            ("Message-ID", "<xsraid.%s@%s>" % (identity, domain)),
            ("Auto-Submitted", "auto-generated"),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit"),
        ]
    )
    if thread:
        headers.append(("References", "<xsraid.%s@%s>" % (thread.replace(":", ""), domain)))
    lines = [piece for line in body.split("\n") for piece in _parted(line)]
    return "".join(_folded(name, value) for name, value in headers) + "\n" + "\n".join(lines)


def send(host, message, timeout_s, recipients=None):
    """Hand one message (headers and body as text) over to /usr/sbin/sendmail and return its Answer.

    recipients: whom it goes to, whomever its headers name; None: all of those. Raises ValueError
    where one is no address to be given as an argument.
    """
    argv = ["sendmail", "-v"] + (["-t"] if recipients is None else _as_arguments(recipients))
    try:
        result = run(host, argv, timeout_s, message, accept=None)
    except Timeout:
        return Answer(
            False,
            "no answer within %g s" % timeout_s,
            "The server took the connection and then said nothing: is it a mail server, and the "
            "port right for this smtp_security?",
        )
    except CommandFailed as error:
        return Answer(False, error.sentence, "Install ssmtp with yum.")
    dialogue = (result.out + "\n" + result.err).splitlines()
    answers = [line[len("[<-] ") :] for line in dialogue if line.startswith("[<-] ")]
    if result.status == 0:
        return Answer(True, _answer_to_message(dialogue) or (answers or ["accepted"])[-1], "")
    words = [line.split(": ", 1)[-1] for line in dialogue if line and not line.startswith("[")]
    response = (words or [""])[-1] or "sendmail ended with %s" % result.status
    if NO_CONNECTION in response:
        return Answer(
            False, response, why_no_connection(directives(host.read_if_there(CONFIGURATION) or ""))
        )
    return Answer(False, response, _cause(response)[1])


def verdict(answer):
    """Return what an Answer means for the mail that it was given to.

    ACCEPTED; LATER: not taken now, for a reason that passes or is not clear; REFUSED: this mail, or
    this recipient, for good; LOGIN: the server
    refuses the login, or wants one that it is not given: somebody has to act, and many tries may
    lock the account.
    """
    return ACCEPTED if answer.accepted else _cause(answer.response)[0]


def is_about_this_mail(answer):
    """Return whether a server that took no mail refused this one for good, so that another may fare
    better.
    """
    return verdict(answer) == REFUSED


def why_no_connection(known):
    """Return advice on why there is no connection to the mail server of these `directives`, found
    by trying: name, port, TLS, certificate.
    """
    server, _, port = known.get("mailhub", "").partition(":")
    port = int(port) if port.isdigit() else 25
    try:
        socket.getaddrinfo(server, port, 0, socket.SOCK_STREAM)
    except EnvironmentError as error:
        return "The name %s cannot be resolved (%s): check smtp_host and this host's DNS." % (
            server,
            error.args[-1],
        )
    try:
        connection = socket.create_connection((server, port), LOOK_S)
    except socket.timeout:
        return "%s does not answer at port %d: check smtp_port and the firewalls between." % (
            server,
            port,
        )
    except EnvironmentError as error:
        return "Nobody answers at port %d of %s (%s): check smtp_host and smtp_port." % (
            port,
            server,
            error.args[-1],
        )
    try:
        return _why_no_tls(connection, server, known)
    finally:
        connection.close()


def _why_no_tls(connection, server, known):
    """Return advice on a server that takes connections."""
    wants_tls, starts_tls = [
        known.get(key, "").upper() == "YES" for key in ("usetls", "usestarttls")
    ]
    ports = "587 goes with starttls, 465 with tls, 25 with none"
    try:
        if starts_tls or not wants_tls:
            speaker = smtplib.SMTP(local_hostname="localhost", timeout=LOOK_S)
            speaker.sock = connection
            code, words = speaker.getreply()
            if code != 220:
                return "The server greets with %d %s: its operator can tell why." % (
                    code,
                    native(words),
                )
        if starts_tls:
            speaker.ehlo()
            code, words = speaker.docmd("STARTTLS")
            if code != 220:
                return (
                    "The server offers no STARTTLS (%d %s): check smtp_security and smtp_port (%s)."
                    % (code, native(words), ports)
                )
        # 2.7.5 has it only as CentOS patches it.
        if wants_tls and hasattr(ssl, "create_default_context"):
            ssl.create_default_context(cafile=known.get("tls_ca_file")).wrap_socket(
                connection, server_hostname=server
            ).close()
    except ssl.SSLError as error:
        if "CERTIFICATE" in str(error).upper():
            return (
                "The server's certificate is not trusted (%s): smtp_host must be the name in it, "
                "and who signed it must be in %s."
                % (error.args[-1], known.get("tls_ca_file") or "this host's bundle")
            )
        return "TLS fails (%s): check smtp_security and smtp_port (%s)." % (error.args[-1], ports)
    except (EnvironmentError, ValueError, smtplib.SMTPException) as error:
        return (
            "The server takes the connection, but does not speak as expected (%s): check "
            "smtp_security and smtp_port (%s)." % (error, ports)
        )
    return "The server answers by now: the next try may do."


def _as_arguments(recipients):
    """Return the recipients. Raises ValueError where there are none, which ssmtp takes for success,
    or one that it may take for something else.
    """
    unfit = [address for address in recipients if not re.match(ARGUMENT, address)]
    if unfit or not recipients:
        raise ValueError(
            "sendmail takes no recipient such as %s" % shown(unfit[0])
            if unfit
            else "there is no recipient"
        )
    return list(recipients)


def _addressed(recipients):
    """Return [(name, value)] of the headers that name the recipients: To, and Cc for those for whom
    it has no room.
    """
    size = 0
    for place, address in enumerate(recipients):
        size += len(to_bytes(address)) + len(",\r\n ")
        if size > FIELD_MAX and place > 0:
            return [("To", ", ".join(recipients[:place])), ("Cc", ", ".join(recipients[place:]))]
    return [("To", ", ".join(recipients))]


def _folded(name, value):
    """Return a header with its line end, folded at blanks. Control characters are blanks in it: no
    value can begin another header.
    """
    words = [word for word in re.split(r"[\x00-\x20\x7f]+", value) if word]
    lines = [" ".join([name + ":"] + words[:1])]
    for word in words[1:]:
        if len(lines[-1]) + 1 + len(word) > LINE_MAX:
            lines.append("")
        lines[-1] += " " + word
    return "\n".join(lines) + "\n"


def _parted(line):
    """Return a line of the body in pieces of at most BODY_LINE_MAX bytes, parted at blanks where it
    has some, never within a character.
    """
    rest, pieces = bytearray(to_bytes(line)), []
    while len(rest) > BODY_LINE_MAX:
        cut = rest.rfind(b" ", BODY_LINE_MAX // 2, BODY_LINE_MAX)
        if cut < 0:
            cut = next(
                (
                    at
                    for at in range(BODY_LINE_MAX, BODY_LINE_MAX - 4, -1)
                    if rest[at] & 0xC0 != 0x80
                ),
                BODY_LINE_MAX,
            )
        pieces.append(rest[:cut])
        rest = rest[cut:]
    return [native(bytes(piece)) for piece in pieces + [rest]]


def _header_text(text):
    """Return text as a header may carry it: encoded words (RFC 2047) where it is not plain ASCII,
    looks like them or cannot be folded.
    """
    is_ascii = all(ord(character) < 128 for character in text)
    longest = max([len(word) for word in text.split()] or [0])
    if is_ascii and "=?" not in text and longest <= WORD_MAX:
        return text
    whole = to_bytes(text).decode("utf-8", "replace").encode("utf-8")
    line = re.sub(b"[\x00-\x20\x7f]+", b" ", whole).strip()
    pieces = re.findall(PIECE, line, re.DOTALL)
    return " ".join(
        "=?utf-8?b?%s?=" % native(binascii.b2a_base64(piece).strip()) for piece in pieces
    )


def _directive(line):
    """Return (lower case key, value) of a line, (None, None) for a comment or blank line."""
    words = re.split(r"[=\s]+", line.split("#", 1)[0].strip(), maxsplit=1)
    if not words[0]:
        return None, None
    return words[0].lower(), "".join(words[1:])


def _answer_to_message(dialogue):
    """Return what the server answered to the lone dot that ends a message."""
    for line, following in zip(dialogue, dialogue[1:]):
        if line == "[->] ." and following.startswith("[<-] "):
            return following[len("[<-] ") :]
    return None


def _cause(response):
    """Return (verdict, advice) for what ssmtp handed over when the server took no mail."""
    answered = re.match(ANSWERED, response)
    if answered:
        step, words = answered.groups()
        words = re.sub(r"<[^<>]*>", "<>", "%s\n%s" % (words, step or ""))
        for pattern, meaning, advice in CAUSES:
            if re.search(pattern, words, re.IGNORECASE):
                return meaning or (LATER if words[0] == "4" else REFUSED), advice
    return (
        LATER,
        "The connection ended before the server had taken the mail; it is tried again. Check "
        "smtp_port and smtp_security if that goes on.",
    )
