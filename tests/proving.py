"""How much is tried: all of it in `make prove`, which sets PITRKIT_PROVE, less in `make test`."""

import os

QUICK_SHARE = 0.4


def examples(whole: int) -> int:
    """How many of *whole* examples hypothesis is to try now."""
    return whole if os.environ.get("PITRKIT_PROVE") else max(5, round(whole * QUICK_SHARE))
