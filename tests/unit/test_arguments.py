import pytest

from xsraid import api, arguments
from xsraid.errors import BadArgument

CREATE = api.FUNCTIONS["create_array"]


@pytest.mark.parametrize("kind,text,value", [
    (arguments.boolean, "true", True), (arguments.boolean, "false", False), (arguments.level, "raid10", "raid10"),
    (arguments.disks, "/dev/sda, S1", ["/dev/sda", "S1"]),
    (arguments.chunk, "512K", 524288), (arguments.chunk, "1m", 1048576), (arguments.addresses, "a@b.c, d@e", "a@b.c,d@e"),
    (arguments.host_name, "10.0.0.1", "10.0.0.1"),
    (arguments.smtp_user, "bob+x@example.com", "bob+x@example.com"), (arguments.whole_number(1, 9), "7", 7),
    (arguments.choice("lvm", "ext"), "ext", "ext"),
    (arguments.array_name, "vm-store", "vm-store"), (arguments.plain_text, "Local RAID10", "Local RAID10")])
def test_good_values(kind, text, value):
    assert kind(text) == value


@pytest.mark.parametrize("kind,text", [
    (arguments.boolean, "yes"), (arguments.boolean, "True"), (arguments.level, "3"), (arguments.disks, "sda,,sdb"), (arguments.disks, ","),
    (arguments.disks, ",".join(["a"] * 300)),
    (arguments.chunk, "512"), (arguments.chunk, "3K"), (arguments.chunk, "2K"), (arguments.chunk, "-4K"), (arguments.chunk, "4K\n"),
    (arguments.addresses, "a@b,"),
    (arguments.address, "root"), (arguments.address, "a b@c"), (arguments.address, "a@b\nBcc: x@y"), (arguments.address, "a@b\n"),
    (arguments.address, "a#b@c"),
    (arguments.address, "a=b@c"), (arguments.address, '"a"@b'), (arguments.address, "\xe4@b"), (arguments.host_name, "smtp.example.com:25"),
    (arguments.host_name, "::1"),
    (arguments.host_name, "a b"), (arguments.host_name, "a..b"), (arguments.host_name, "a\n"), (arguments.host_name, "-x"),
    (arguments.smtp_user, "a b"), (arguments.smtp_user, "a=b"),
    (arguments.smtp_user, "a#b"), (arguments.smtp_user, "a\n"), (arguments.secret_uuid, "hunter2"), (arguments.whole_number(1, 9), "0"),
    (arguments.whole_number(1, 9), "1.5"),
    (arguments.whole_number(1, 9), "\xb2"), (arguments.whole_number(1, 65535), "9" * 5000), (arguments.choice("lvm", "ext"), "nfs"),
    (arguments.array_name, "../x"),
    (arguments.array_name, "a" * 29), (arguments.array_name, "-f"), (arguments.array_name, "a:b"), (arguments.plain_text, "a\nb"),
    (arguments.plain_text, "x" * 1001)])
def test_bad_values_say_what_would_be_right(kind, text):
    with pytest.raises(ValueError) as caught:
        kind(text)
    assert "takes" in str(caught.value) and len(str(caught.value)) < 400


def test_no_value_is_repeated_that_may_be_a_password():
    with pytest.raises(ValueError) as caught:
        arguments.secret_uuid("hunter2")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("given,name,words", [
    ({"level": "1"}, "devices", "missing"), ({"level": "1", "devices": "a,b", "leve": "5"}, "leve", "level, devices"),
    ({"level": "", "devices": "a,b"}, "level", "empty"),
    ({"level": "11", "devices": "a,b"}, "level", "0, 1, 5, 6, 10"),
    ({"level": "1", "devices": "x" * 102400, "bitmap": "x" * 102400}, "bitmap", "102400 characters"),
    ({"level": "1", "devices": "a,b", "\xc3\xa9": "x"}, "\xc3\xa9" if str is bytes else u"\xc3\xa9", "no argument")])
def test_refusals_name_the_argument(given, name, words):
    with pytest.raises(BadArgument) as caught:
        api.parse(CREATE, given)
    assert caught.value.parameters[0] == name and words in caught.value.sentence and len(caught.value.sentence) < 700


@pytest.mark.parametrize("name", ["smtp_password", "password"])
def test_plain_passwords_are_refused_with_the_command_that_makes_a_secret(name):
    with pytest.raises(BadArgument) as caught:
        api.parse(api.FUNCTIONS["configure_alerts"], {name: "hunter2"})
    assert "xe secret-create" in caught.value.sentence and "hunter2" not in "".join(caught.value.parameters)


def test_every_argument_has_what_help_shows():
    for function in api.TABLE:
        for argument in function.arguments:
            assert argument.kind.shape and argument.help
            argument.kind(argument.kind.example)
