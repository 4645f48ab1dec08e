"""Small interaction logs."""

import random


def csv_log(*, users: int = 30, length: int = 8, items: int = 17, seed: int = 0) -> str:
    """Every user walks through the items in steps of their own, so that there is something to learn."""
    draw = random.Random(seed)
    rows = ["user_id,item_id,timestamp"]
    for user in range(users):
        item = draw.randrange(items)
        for time in range(length):
            rows.append(f"u{user},i{item},{time}")
            item = (item + 1 + user % 2) % items
    return "\n".join(rows) + "\n"


LOG = csv_log()
