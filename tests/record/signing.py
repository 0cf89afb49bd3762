"""Keys to sign with, made on the spot."""

from __future__ import annotations

import subprocess
from pathlib import Path

WHO = "oncall@example.com"


def ssh_key(folder: Path, name: str = "key", *, allowed: bool = True, passphrase: str = "") -> Path:
    """Make an SSH key in *folder* and settings that sign with it; return the settings' path."""
    made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", WHO, "-f", folder / name]
    subprocess.run(made, check=True, stdin=subprocess.DEVNULL)
    public = (folder / f"{name}.pub").read_text()
    (folder / f"{name}.allowed").write_text(f'{WHO} namespaces="pitrkit" {public}')
    settings = folder / f"{name}.toml"
    more = f'allowed_signers = "{name}.allowed"\n' if allowed else ""
    settings.write_text(f'[record]\nsign = "ssh:{name}"\n{more}')
    return settings
