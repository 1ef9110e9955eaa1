"""When a reshape is safe by itself."""

import pytest

from xsraid.actions import growth


@pytest.mark.parametrize(
    "level,count,new_count,chunks",
    [
        ("raid5", 3, 4, 3),
        ("raid5", 3, 5, 2),
        ("raid5", 4, 5, 4),
        ("raid5", 11, 12, 11),
        ("raid6", 4, 5, 3),
        ("raid6", 4, 6, 2),
        ("raid1", 2, 3, 0),
        ("raid10", 4, 6, 0),
    ],
)
def test_room_before_the_data(level, count, new_count, chunks):
    """mdadm 4.2 moved 3072 sectors from 3 members to 4 with chunks of 1024."""
    assert growth.room_sectors(level, 1024, count, new_count) == chunks * 1024
