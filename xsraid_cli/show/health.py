"""What the health words of arrays and the states of members mean to somebody who only wants to know
whether all is well.
"""

from __future__ import absolute_import

from xsraid.states import Health, MemberState

# An array in one of these healths lacks nothing that it could have; all others, unknown ones
# included, make `status` end with 3.
WELL = (Health.OPTIMAL, Health.CHECKING, Health.NO_REDUNDANCY, Health.RESYNCING, Health.CONTAINER)
BEST = "optimal"
COLOURS = {
    Health.OPTIMAL: "good",
    Health.CHECKING: "good",
    Health.NO_REDUNDANCY: "notice",
    Health.RESYNCING: "notice",
    Health.REBUILDING: "notice",
    Health.CONTAINER: "notice",
    Health.READ_ONLY: "notice",
    Health.FROZEN: "bad",
    Health.UNKNOWN: "notice",
}
MEMBERS_WELL = (MemberState.ACTIVE, MemberState.SPARE, MemberState.JOURNAL)
MEMBER_COLOURS = {
    MemberState.ACTIVE: "good",
    MemberState.SPARE: "good",
    MemberState.JOURNAL: "good",
    MemberState.REBUILDING: "notice",
}


def is_well(array):
    """Return whether an array record shows nothing to be mended."""
    return array.get("health") in WELL


def colour(array):
    """Return the colour of an array record's health; one that is only planned has none."""
    return COLOURS.get(array["health"], "bad") if array.get("health") else None


def member_colour(member):
    """Return the colour of a member record's state."""
    return MEMBER_COLOURS.get(member.get("state"), "bad")
