import importlib

import pytest

from xsraid import api, arguments, functions
from xsraid.errors import BadArgument

CREATE = functions.FUNCTIONS["create_array"]


@pytest.mark.parametrize(
    "kind,text,value",
    [
        (arguments.boolean, "true", True),
        (arguments.boolean, "false", False),
        (arguments.level, "raid10", "raid10"),
        (arguments.disks, "/dev/sda, S1", ["/dev/sda", "S1"]),
        (arguments.chunk, "512K", 524288),
        (arguments.chunk, "1m", 1048576),
        (arguments.addresses, "a@b.c, d-@e", "a@b.c,d-@e"),
        (arguments.host_name, "10.0.0.1", "10.0.0.1"),
        (arguments.smtp_user, "bob+x@example.com", "bob+x@example.com"),
        (arguments.whole_number(1, 9), "7", 7),
        (arguments.choice("lvm", "ext"), "ext", "ext"),
        (arguments.array_name, "vm-store", "vm-store"),
        (arguments.plain_text, "Local RAID10", "Local RAID10"),
    ],
)
def test_good_values(kind, text, value):
    assert kind(text) == value


@pytest.mark.parametrize(
    "kind,text",
    [
        (arguments.boolean, "yes"),
        (arguments.boolean, "True"),
        (arguments.level, "3"),
        (arguments.disks, "sda,,sdb"),
        (arguments.disks, ","),
        (arguments.disks, ",".join(["a"] * 300)),
        (arguments.chunk, "512"),
        (arguments.chunk, "3K"),
        (arguments.chunk, "2K"),
        (arguments.chunk, "-4K"),
        (arguments.chunk, "4K\n"),
        (arguments.addresses, "a@b,"),
        (arguments.address, "root"),
        (arguments.address, "a b@c"),
        (arguments.address, "a@b\nBcc: x@y"),
        (arguments.address, "a@b\n"),
        (arguments.address, "a#b@c"),
        (arguments.address, "-t@b.c"),
        (arguments.addresses, "a@b,-Cfile@b.c"),
        (arguments.addresses, "a@b, -v"),
        (arguments.address, "a=b@c"),
        (arguments.address, '"a"@b'),
        (arguments.address, "\xe4@b"),
        (arguments.host_name, "smtp.example.com:25"),
        (arguments.host_name, "::1"),
        (arguments.host_name, "a b"),
        (arguments.host_name, "a..b"),
        (arguments.host_name, "a\n"),
        (arguments.host_name, "-x"),
        (arguments.smtp_user, "a b"),
        (arguments.smtp_user, "a=b"),
        (arguments.smtp_user, "a#b"),
        (arguments.smtp_user, "a\n"),
        (arguments.secret_uuid, "hunter2"),
        (arguments.whole_number(1, 9), "0"),
        (arguments.whole_number(1, 9), "1.5"),
        (arguments.whole_number(1, 9), "\xb2"),
        (arguments.whole_number(1, 65535), "9" * 5000),
        (arguments.choice("lvm", "ext"), "nfs"),
        (arguments.array_name, "../x"),
        (arguments.array_name, "a" * 29),
        (arguments.array_name, "-f"),
        (arguments.array_name, "a:b"),
        (arguments.plain_text, "a\nb"),
        (arguments.plain_text, "x" * 1001),
    ],
)
def test_bad_values_say_what_would_be_right(kind, text):
    with pytest.raises(ValueError) as caught:
        kind(text)
    assert "takes" in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "kind,text,value",
    [
        (arguments.boolean, "true", True),
        (arguments.boolean, "false", False),
        (arguments.disks, ",".join(["a"] * 256), ["a"] * 256),
        (arguments.chunk, "4K", 4096),
        (arguments.chunk, "8k", 8192),
        (arguments.chunk, "2M", 2 << 20),
        (arguments.address, "a@" + "b" * 252, "a@" + "b" * 252),
        (arguments.array_name, "a" * 28, "a" * 28),
        (arguments.plain_text, "x" * 1000, "x" * 1000),
        (arguments.plain_text, " ~", " ~"),
        (
            arguments.plain_text,
            "\x80\xfc" if str is not bytes else "\xc2\x80\xfc",
            "\x80\xfc" if str is not bytes else "\xc2\x80\xfc",
        ),
        (arguments.whole_number(1, 9), "1", 1),
        (arguments.whole_number(1, 9), "9", 9),
        (arguments.whole_number(1, 65535), "65535", 65535),
        (arguments.ALERTS["smtp_port"], "1", 1),
        (arguments.ALERTS["smtp_port"], "65535", 65535),
    ],
)
def test_the_last_values_that_are_good(kind, text, value):
    assert kind(text) == value


@pytest.mark.parametrize(
    "kind,text",
    [
        (arguments.disks, ",".join(["a"] * 257)),
        (arguments.chunk, "1K"),
        (arguments.chunk, "6K"),
        (arguments.chunk, "5K"),
        (arguments.chunk, "x"),
        (arguments.address, "a@" + "b" * 253),
        (arguments.address, "a@" + "b" * 300),
        (arguments.array_name, "a" * 29),
        (arguments.plain_text, "x" * 1001),
        (arguments.plain_text, "\x1f"),
        (arguments.plain_text, "\x7f"),
        (arguments.plain_text, "\x00"),
        (arguments.whole_number(1, 9), "10"),
        (arguments.whole_number(1, 9), "0"),
        (arguments.ALERTS["smtp_port"], "0"),
        (arguments.ALERTS["smtp_port"], "65536"),
    ],
)
def test_the_first_values_that_are_bad(kind, text):
    with pytest.raises(ValueError):
        kind(text)


@pytest.mark.parametrize(
    "kind,text",
    [
        (arguments.boolean, "yes"),
        (arguments.level, "11"),
        (arguments.disks, "a,,b"),
        (arguments.chunk, "3K"),
        (arguments.address, "a b"),
        (arguments.host_name, "a b"),
        (arguments.smtp_user, "a b"),
        (arguments.array_name, "a b"),
        (arguments.whole_number(1, 2), "3x"),
        (arguments.choice("lvm", "ext"), "nfs"),
        (arguments.plain_text, "a?b"),
    ],
)
def test_a_refusal_quotes_what_was_given(kind, text):
    with pytest.raises(ValueError) as caught:
        kind(text.replace("?", "\n"))
    assert "'%s'" % text in str(caught.value)
    assert "%" not in str(caught.value)


def test_what_kinds_say_of_themselves():
    assert (arguments.choice("lvm", "ext").shape, arguments.choice("lvm", "ext").example) == (
        "lvm or ext",
        "lvm",
    )
    assert arguments.choice("a", "b", "c").example == "a"
    assert arguments.level.shape == "a level: 0, 1, 5, 6, 10"
    assert (arguments.whole_number(3, 9).shape, arguments.whole_number(3, 9).example) == (
        "a whole number from 3 to 9",
        "3",
    )


def test_no_value_is_repeated_that_may_be_a_password():
    with pytest.raises(ValueError) as caught:
        arguments.secret_uuid("hunter2")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "given,name,words",
    [
        ({"level": "1"}, "devices", "missing"),
        ({"level": "1", "devices": "a,b", "leve": "5"}, "leve", "level, devices"),
        ({"level": "", "devices": "a,b"}, "level", "empty"),
        ({"level": "11", "devices": "a,b"}, "level", "0, 1, 5, 6, 10"),
        (
            {"level": "1", "devices": "x" * 102400, "bitmap": "x" * 102400},
            "bitmap",
            "102400 characters",
        ),
        (
            {"level": "1", "devices": "a,b", "\xc3\xa9": "x"},
            "\xc3\xa9" if str is bytes else "\xc3\xa9",
            "no argument",
        ),
    ],
)
def test_refusals_name_the_argument(given, name, words):
    with pytest.raises(BadArgument) as caught:
        api.parse(CREATE, given)
    assert caught.value.parameters[0] == name
    assert words in caught.value.sentence
    assert len(caught.value.sentence) < 700


@pytest.mark.parametrize("name", ["smtp_password", "password"])
def test_plain_passwords_are_refused_with_the_command_that_makes_a_secret(name):
    with pytest.raises(BadArgument) as caught:
        api.parse(functions.FUNCTIONS["configure_alerts"], {name: "hunter2"})
    assert "xe secret-create" in caught.value.sentence
    assert "hunter2" not in "".join(caught.value.parameters)


def test_every_argument_has_what_help_shows():
    for function in functions.TABLE:
        for argument in function.arguments:
            assert argument.kind.shape
            assert argument.help
            argument.kind(argument.kind.example)


ALL_ARGUMENTS = [
    (function, argument) for function in functions.TABLE for argument in function.arguments
]
OPTIONAL = [
    (function, argument)
    for function, argument in ALL_ARGUMENTS
    if argument.default is not functions.REQUIRED
]
NAMES = ["%s %s" % (function.name, argument.name) for function, argument in OPTIONAL]


def documented_word(argument):
    """What a reader of the column of defaults would type: a word, which may be explained after a
    colon. None for a description.
    """
    word = argument.default.split(":")[0]
    return None if " " in word else word


def needed(function):
    return {
        argument.name: argument.example
        for argument in function.arguments
        if argument.default is functions.REQUIRED
    }


@pytest.mark.parametrize("function,argument", OPTIONAL, ids=NAMES)
def test_a_documented_default_means_what_leaving_it_out_means(function, argument):
    word, given = documented_word(argument), needed(function)
    if word is not None:
        assert api.parse(function, dict(given, **{argument.name: word})) == api.parse(
            function, given
        )


@pytest.mark.parametrize("function,argument", OPTIONAL, ids=NAMES)
def test_what_is_left_out_has_the_value_that_its_default_says(function, argument):
    absent = argument.absent()
    if documented_word(argument) in ("all", "none", "empty", "mdadm's", None):
        assert absent in (None, ())
    else:
        assert absent == argument.kind(argument.default)


@pytest.mark.parametrize("function", functions.TABLE, ids=lambda function: function.name)
def test_a_verb_takes_what_the_table_says_and_has_no_defaults_of_its_own(function):
    module, _, verb = function.verb.rpartition(".")
    code = getattr(importlib.import_module("xsraid." + module), verb)
    names = code.__code__.co_varnames[: code.__code__.co_argcount]
    assert sorted(names) == sorted(
        ["host", "session"] + [argument.name for argument in function.arguments]
    )
    assert not code.__defaults__


def test_there_are_such_defaults_of_each_sort():
    words = {documented_word(argument) for _, argument in OPTIONAL}
    assert {"all", "none", "false", "true", "60", "50", "host", "empty", None} <= words


@pytest.mark.parametrize("name,text", [("devices", "none"), ("level", "all")])
def test_what_must_be_given_has_no_default(name, text):
    given = dict({"level": "1", "devices": "a,b"}, **{name: text})
    if name == "level":
        with pytest.raises(BadArgument):
            api.parse(CREATE, given)
    else:
        assert api.parse(CREATE, given)[name] == [text]


@pytest.mark.parametrize("text", ["None", "none ", "none,none", "none: only", "nothing", "all"])
def test_another_word_is_none_of_them(text):
    assert api.parse(CREATE, {"level": "1", "devices": "a,b", "spares": text})["spares"] == [
        part.strip() for part in text.split(",")
    ]


def test_a_description_of_a_default_is_a_value():
    """A name such as the one that a storage repository would have is meant as it stands."""
    given = {"array": "md0", "name_label": "Local RAID10 md0"}
    assert api.parse(functions.FUNCTIONS["create_sr"], given) == given
