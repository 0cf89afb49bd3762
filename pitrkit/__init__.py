"""pitrkit: guided, guarded, auditable recovery of DynamoDB items by point-in-time recovery."""

import sys

__version__ = "0.1.0"

if sys.platform == "win32":
    # Said here, before any other module of the kit is imported: their file locks and signals are those of POSIX.
    sys.stderr.write(
        "pitrkit runs on Linux, macOS and WSL (Windows Subsystem for Linux), not on Windows itself.\n"
        "-> Run `wsl --install` in a terminal of Windows, then install and run pitrkit in the Linux that this brings.\n"
    )
    raise SystemExit(2)
