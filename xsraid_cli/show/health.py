"""What the health words of arrays and the states of members mean to somebody who only wants to know
whether all is well.
"""

from __future__ import absolute_import

# An array in one of these healths lacks nothing that it could have; all others, unknown ones
# included, make `status` end with 3.
WELL = ("optimal", "checking", "no_redundancy", "resyncing", "container")
BEST = "optimal"
COLOURS = {
    "optimal": "good",
    "checking": "good",
    "no_redundancy": "notice",
    "resyncing": "notice",
    "rebuilding": "notice",
    "container": "notice",
    "read_only": "notice",
    "frozen": "bad",
    "unknown": "notice",
}
MEMBERS_WELL = ("active", "spare", "journal")
MEMBER_COLOURS = {"active": "good", "spare": "good", "journal": "good", "rebuilding": "notice"}


def is_well(array):
    """Return whether an array record shows nothing to be mended."""
    return array.get("health") in WELL


def colour(array):
    """Return the colour of an array record's health; one that is only planned has none."""
    return COLOURS.get(array["health"], "bad") if array.get("health") else None


def member_colour(member):
    """Return the colour of a member record's state."""
    return MEMBER_COLOURS.get(member.get("state"), "bad")
