"""The command line: `pitrkit COMMAND`. Open `commands` first.

May import every room. `main` and `parser` are handed on for the entry point and the tests.
"""

from pitrkit.cli.commands import main, parser

__all__ = ["main", "parser"]
