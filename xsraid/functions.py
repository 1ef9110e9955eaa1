"""The table of functions: the one description of what the plugin can do, from which parsing,
`help`, the documents and the command line come.

It names the module of each verb, which is loaded when the verb is called, so that a cheap call pays
for nothing that it does not use. Each default stands here and nowhere else.
"""

from __future__ import absolute_import

import collections

from xsraid import arguments as kinds
from xsraid.xapi import sr_types


class Argument(object):
    """kind: of `arguments`; default: as `help` shows it, REQUIRED where there is none; example:
    where the kind's own would mislead.
    """

    def __init__(self, name, kind, help_text, default=None, example=None):
        self.name, self.kind, self.help, self.default, self.example = (
            name,
            kind,
            help_text,
            default,
            example or kind.example,
        )

    def is_default(self, text):
        """Return whether a caller typed the word that `help` shows as the default, such as `none`:
        it means the same as leaving the argument out.

        A default of several words is a description, but for one word with what it means after a
        colon.
        """
        return (
            self.default is not REQUIRED and " " not in text and text == self.default.split(":")[0]
        )

    def absent(self):
        """Return what the verb gets where the argument is left out: nothing, if the default is a
        word for that or a description.
        """
        if " " in self.default or self.default in NOTHING:
            return () if self.kind is kinds.disks else None
        return self.kind(self.default)


class Function(object):
    """verb: module and function, called with host, session and the arguments.

    For the command line: command: its words, "" if it has none, None for the name's own; bare:
    the arguments that are given without their names, None for all that must be given; changes:
    whether people are asked first; shown: what its example has beside the arguments that must be
    given.
    """

    def __init__(
        self, name, verb, arguments, help_text, command=None, bare=None, changes=True, shown=()
    ):
        self.name, self.verb, self.arguments, self.help = name, verb, arguments, help_text
        self.command, self.bare, self.changes, self.shown = command, bare, changes, shown


REQUIRED = None
NOTHING = ("all", "none", "empty", "mdadm's")  # defaults that are no value of their arguments
ARRAY = Argument("array", kinds.array, "which array")
ONE_ARRAY = Argument("array", kinds.array, "which array", "all")
DISK = Argument("disk", kinds.disk, "which member")
WIPE = Argument("wipe", kinds.boolean, "erase existing signatures on the disk", "false")
ALLOW_REMOVABLE = Argument(
    "allow_removable",
    kinds.boolean,
    "accept disks that the kernel reports as removable, as some controllers report every disk",
    "false",
)
TABLE = (
    Function(
        "list_disks",
        "disks.inventory.list_disks",
        (),
        "lists all disks of the host: whether each can be used, and if not, every reason",
        "disks",
        changes=False,
    ),
    Function(
        "create_array",
        "actions.arrays.create_array",
        (
            Argument("level", kinds.level, "the RAID level"),
            Argument(
                "devices",
                kinds.disks,
                "the active members",
                example="/dev/sda,/dev/sdb,/dev/sdc,/dev/sdd",
            ),
            Argument("name", kinds.array_name, "the array's name", "mdN, the first free one"),
            Argument("spares", kinds.disks, "disks that wait to replace a failed member", "none"),
            Argument("chunk", kinds.chunk, "chunk size", "mdadm's"),
            Argument(
                "bitmap",
                kinds.choice("internal", "none"),
                "write-intent bitmap",
                "internal where the level has redundancy",
            ),
            Argument(
                "consistency_policy",
                kinds.choice("bitmap", "ppl"),
                "ppl closes RAID5's write hole and costs a third of the write speed",
                "bitmap where the level has redundancy",
            ),
            Argument(
                "journal",
                kinds.disk,
                "a disk that closes the write hole of RAID5 and RAID6, best a fast one that "
                "survives a power cut",
                "none",
            ),
            Argument(
                "wipe",
                kinds.boolean,
                "erase existing signatures on the disks",
                "false",
            ),
            Argument(
                "allow_mixed_sizes",
                kinds.boolean,
                "accept that more than a tenth of the capacity stays unused",
                "false",
            ),
            Argument(
                "allow_4k",
                kinds.boolean,
                "accept disks with sectors of 4 KiB, on which lvm and ext SRs do not work",
                "false",
            ),
            Argument("dry_run", kinds.boolean, "change nothing, return the commands", "false"),
            ALLOW_REMOVABLE,
        ),
        "makes an array, its node and its line in /etc/mdadm.conf",
        "create",
        ("devices",),
    ),
    Function(
        "adopt_array",
        "actions.arrays.adopt_array",
        (ARRAY,),
        "takes over an array made by hand: writes its line in /etc/mdadm.conf and its SR's path "
        "and tag, and nothing on its disks",
        "adopt",
    ),
    Function(
        "fail_disk",
        "actions.members.fail_disk",
        (ARRAY, DISK, Argument("confirm", kinds.plain_text, "that disk's serial number")),
        "marks a member as faulty, for a drill; refused where no redundancy is left",
        "fail",
        ("array", "disk"),
    ),
    Function(
        "remove_disk",
        "actions.members.remove_disk",
        (
            ARRAY,
            DISK,
            Argument(
                "wipe_old",
                kinds.boolean,
                "also clear the array's superblock on it; a former member is freed so, too",
                "false",
            ),
        ),
        "removes a faulty member or a spare from an array",
        "remove",
    ),
    Function(
        "add_disk",
        "actions.members.add_disk",
        (ARRAY, Argument("disk", kinds.disk, "which disk"), WIPE, ALLOW_REMOVABLE),
        "adds a disk in place of a missing member, or as a spare",
        "add",
    ),
    Function(
        "replace_disk",
        "actions.members.replace_disk",
        (
            ARRAY,
            DISK,
            Argument("new_disk", kinds.disk, "the disk that takes its place", example="/dev/sdf"),
            WIPE,
            ALLOW_REMOVABLE,
        ),
        "replaces a member by a new disk; it serves until the new disk is filled",
        "replace",
    ),
    Function(
        "check_array",
        "actions.check.check_array",
        (ARRAY, Argument("action", kinds.choice("start", "stop"), "what to do")),
        "compares the data of the members",
        "check",
        ("action", "array"),
        changes=False,
    ),
    Function(
        "identify_disk",
        "actions.identify.identify_disk",
        (
            Argument("disk", kinds.disk, "which disk"),
            Argument("seconds", kinds.whole_number(1, 3600), "how long", "60"),
        ),
        "blinks the light of a disk, so that you pull the right one",
        "identify",
        changes=False,
    ),
    Function(
        "grow_array",
        "actions.growth.grow_array",
        (
            ARRAY,
            Argument(
                "devices",
                kinds.disks,
                "the new members, spares of the array among them",
                "none: only offers its SR the capacity that an earlier call has added",
                "/dev/sde",
            ),
            WIPE,
            ALLOW_REMOVABLE,
        ),
        "adds members to an array, and the new capacity to the storage repository on it",
        "grow",
        ("array", "devices"),
        shown=("devices",),
    ),
    Function(
        "delete_array",
        "actions.arrays.delete_array",
        (ARRAY, Argument("confirm", kinds.plain_text, "the array's name")),
        "stops an array for good and frees its disks; refused while anything is on it",
        "delete",
        ("array",),
    ),
    Function(
        "list_arrays",
        "md.state.list_arrays",
        (ONE_ARRAY,),
        "shows health, redundancy left, members, progress and SR of each array",
        "status",
        ("array",),
        changes=False,
    ),
    Function(
        "configure_alerts",
        "actions.alert_settings.configure_alerts",
        (
            Argument(
                "mail_to", kinds.ALERTS["mail_to"], "who is alerted", "the pool's mail-destination"
            ),
            Argument(
                "mail_from",
                kinds.ALERTS["mail_from"],
                "the sender of the mail",
                "the pool's mail-sender",
            ),
            Argument(
                "smtp_host",
                kinds.ALERTS["smtp_host"],
                "the mail server",
                "the pool's ssmtp-mailhub",
            ),
            Argument(
                "smtp_port", kinds.ALERTS["smtp_port"], "its port", "587, or the ssmtp-mailhub's"
            ),
            Argument(
                "smtp_security",
                kinds.ALERTS["smtp_security"],
                "how the connection is secured",
                "starttls, or as the ssmtp-mailhub's port says",
            ),
            Argument(
                "smtp_user",
                kinds.ALERTS["smtp_user"],
                "the login name, if the server needs one",
                "none",
            ),
            Argument(
                "smtp_password_secret",
                kinds.ALERTS["smtp_password_secret"],
                "the password, as a secret that `xe secret-create value=...` made",
                "none",
            ),
            Argument(
                "xapi_messages", kinds.ALERTS["xapi_messages"], "also alert in XenCenter", "true"
            ),
            Argument(
                "xo_alarms",
                kinds.ALERTS["xo_alarms"],
                "show arrays that need attention as alarms of Xen Orchestra",
                "false",
            ),
            Argument(
                "webhook_urls",
                kinds.ALERTS["webhook_urls"],
                "also alert by a POST of JSON to these URLs; {token} stands for the token",
                "none",
            ),
            Argument(
                "webhook_header",
                kinds.ALERTS["webhook_header"],
                "an HTTP header for them; {token} stands for the token",
                "none",
            ),
            Argument(
                "webhook_token_secret",
                kinds.ALERTS["webhook_token_secret"],
                "their token, as a secret that `xe secret-create value=...` made",
                "none",
            ),
            Argument(
                "scope",
                kinds.choice("host", "pool"),
                "for this host, or for every host of the pool, later ones included",
                "host",
            ),
        ),
        "writes ssmtp.conf, revaliases, MAILADDR and MAILFROM, and starts mdadm's monitor",
        "alerts set",
        shown=("mail_to", "mail_from", "smtp_host", "smtp_user"),
    ),
    Function(
        "apply_alerts",
        "actions.alert_settings.apply_alerts",
        (),
        "applies the alert settings that XAPI keeps for this host or its pool; each host also does "
        "so when its xapi starts",
        "alerts apply",
    ),
    Function(
        "get_alerts",
        "actions.alert_settings.get_alerts",
        (),
        "shows the alert settings, without secrets, and whether mdadm's monitor runs",
        "alerts show",
        changes=False,
    ),
    Function(
        "test_alert",
        "actions.alert_reports.test_alert",
        (
            ONE_ARRAY,
            Argument(
                "timeout_s",
                kinds.whole_number(1, 3600),
                "how long the whole call may take, in seconds",
                "60",
            ),
        ),
        "makes mdadm's test event for each array and returns what the mail server answered",
        "alerts test",
        ("array",),
        changes=False,
    ),
    Function(
        "alert_history",
        "actions.alert_reports.alert_history",
        (Argument("count", kinds.whole_number(1, 500), "how many alerts, the newest first", "50"),),
        "lists past alerts and how each was delivered",
        "alerts history",
        changes=False,
    ),
    Function(
        "create_sr",
        "actions.storage.create_sr",
        (
            ARRAY,
            Argument(
                "type",
                kinds.choice(*sr_types.MADE),
                "the SR's type",
                "%s, or what is there" % sr_types.DEFAULT,
            ),
            Argument("name_label", kinds.plain_text, "the SR's name", "Local RAID10 md0"),
            Argument("name_description", kinds.plain_text, "the SR's description", "empty"),
            Argument("default_sr", kinds.boolean, "make it the pool's default SR", "false"),
            Argument(
                "reattach",
                kinds.boolean,
                "attach the SR that is on the array again, with its data",
                "false",
            ),
            Argument("wipe", kinds.boolean, "erase what is on the array", "false"),
            Argument(
                "allow_4k",
                kinds.boolean,
                "also on sectors of 4 KiB, where it makes no disks for VMs",
                "false",
            ),
        ),
        "registers an array as a storage repository of this host",
        "sr create",
    ),
    Function(
        "help",
        "actions.help.help_function",
        (Argument("function", kinds.plain_text, "the function to explain", "all"),),
        "this table",
        "",
        changes=False,
    ),
    Function(
        "version",
        "actions.help.version",
        (),
        "the versions of xsraid and of its Python",
        changes=False,
    ),
)
FUNCTIONS = collections.OrderedDict((function.name, function) for function in TABLE)
# Names that are tempting but wrong, and a kind that says why.
REFUSED = {"smtp_password": kinds.plain_password, "password": kinds.plain_password}
