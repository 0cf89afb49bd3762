"""The signature on a seal: by an SSH key through OpenSSH's `ssh-keygen -Y`, or by an asymmetric key in AWS KMS.

What is signed is the manifest, byte for byte. The signature of an SSH key is OpenSSH's own file, so that anybody can
check it without this kit: `ssh-keygen -Y verify -n pitrkit -f allowed_signers -I WHO -s manifest.json.sig <
manifest.json`. Which keys may sign is not for the record to say: an `allowed_signers` file or the settings do.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from pitrkit import documents
from pitrkit.aws.client.client import Aws
from pitrkit.aws.services import kms_signing
from pitrkit.aws.services.kms_signing import KmsSignature
from pitrkit.config.team_settings import Settings
from pitrkit.errors import BadInput, PitrkitError

NAMESPACE = "pitrkit"
"""What an SSH signature is made for: one made for git or for mail does not count here."""

SECONDS = 60
_GOOD = re.compile(r'Good "pitrkit" signature .*with (\S+) key (SHA256:\S+)')

Way = Literal["ssh", "kms"]


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature.

    Attributes:
        way: `ssh` or `kms`.
        key: The key: its fingerprint, or its ARN.
        raw: The signature's file.
    """

    way: Way
    key: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class SignatureCheck:
    """A signature that was checked.

    Attributes:
        way: `ssh` or `kms`; empty if it is neither.
        key: The key: its fingerprint, or its ARN.
        signer: Who the allowed signers' file says the key belongs to; empty if that is not known.
        problem: Why it does not count; empty if it does.
    """

    way: Way | Literal[""]
    key: str = ""
    signer: str = ""
    problem: str = ""


def parse(sign: str) -> tuple[Way, str]:
    """Return how to sign and the key, from the setting `record.sign`.

    Raises:
        BadInput: It is neither `ssh:PATH` nor `kms:ARN`.
    """
    way, colon, key = sign.partition(":")
    if way in ("ssh", "kms") and colon and key:
        return ("ssh" if way == "ssh" else "kms"), key
    raise BadInput(f"[record] sign is {sign!r}", fix="Write sign = 'ssh:/path/to/key' or 'kms:KEY-ARN'.")


def sign(settings: Settings, content: bytes) -> Signed:
    """Return the signature on *content* that the settings ask for.

    Raises:
        BadInput: The key or `ssh-keygen` is missing, or the key cannot sign.
        PitrkitError: AWS did not sign.
    """
    way, key = parse(settings.record.sign)
    if way == "kms":
        kms_signature = kms_signing.sign(_aws(key), key, content)
        return Signed("kms", kms_signature.key, documents.pretty(kms_signature).encode())
    path = settings.beside(key)
    if not path.is_file():
        raise BadInput(f"the signing key {path} is missing", fix="Mend [record] sign in pitrkit.toml, and seal again.")
    made_raw = _ssh_keygen("-Y", "sign", "-n", NAMESPACE, "-f", str(path), content=content)
    if isinstance(made_raw, str):
        raise BadInput(
            f"the key {path} did not sign: {made_raw}",
            fix="A key with a passphrase signs through ssh-agent: add it, and name its .pub file. Then seal again.",
        )
    with _file(made_raw) as file:
        good = _ssh_keygen("-Y", "check-novalidate", "-n", NAMESPACE, "-s", file, content=content)
    match = _GOOD.search(good.decode(errors="replace")) if isinstance(good, bytes) else None
    if match is None:
        raise BadInput(f"what the key {path} signed does not verify: {good!r}", fix="Use another key; seal again.")
    return Signed("ssh", match[2], made_raw)


def check(raw: bytes, content: bytes, *, sealed_at: datetime | None, settings: Settings) -> SignatureCheck:
    """Check the signature file *raw* on *content*.

    Args:
        raw: The signature's file.
        content: What it signs.
        sealed_at: When it says that it was sealed: the key had to be allowed then.
        settings: An SSH key has to be an allowed signer's, if they name such a file; a KMS key has to be the one they
            sign with, if they do.
    """
    sign_setting, allowed = settings.record.sign, settings.record.allowed_signers
    try:
        if raw.startswith(b"-----BEGIN SSH SIGNATURE-----"):
            return _check_ssh(raw, content, sealed_at, settings.beside(allowed) if allowed else None)
        kms_signature = KmsSignature.read(raw)
        if kms_signature is None:
            return SignatureCheck("", problem="is no signature")
        aws = _aws(kms_signature.key)
        if (
            sign_setting.startswith("kms:")
            and kms_signing.arn_of(aws, sign_setting.removeprefix("kms:")) != kms_signature.key
        ):
            return SignatureCheck(
                "kms", kms_signature.key, problem=f"is by another key than the settings name: {kms_signature.key}"
            )
        valid = kms_signing.verify(aws, kms_signature, content)
    except PitrkitError as error:
        return SignatureCheck("", problem=f"could not be checked: {error}")
    return SignatureCheck("kms", kms_signature.key, problem="" if valid else "does not fit manifest.json")


def _check_ssh(raw: bytes, content: bytes, sealed_at: datetime | None, allowed: Path | None) -> SignatureCheck:
    with _file(raw) as file:
        good = _ssh_keygen("-Y", "check-novalidate", "-n", NAMESPACE, "-s", file, content=content)
        match = _GOOD.search(good.decode(errors="replace")) if isinstance(good, bytes) else None
        if match is None:
            return SignatureCheck("ssh", problem=f"does not fit manifest.json: {good if isinstance(good, str) else ''}")
        if allowed is None:
            return SignatureCheck("ssh", match[2])
        if not allowed.is_file():
            raise BadInput(
                f"the file of allowed signers, {allowed}, is missing",
                fix="Mend [record] allowed_signers in pitrkit.toml.",
            )
        when = [f"-Overify-time={sealed_at.astimezone():%Y%m%d%H%M%S}"] if sealed_at else []
        names = _ssh_keygen("-Y", "find-principals", *when, "-s", file, "-f", str(allowed))
        for name in names.decode().splitlines() if isinstance(names, bytes) else ():
            verified = _ssh_keygen(
                *("-Y", "verify", *when, "-n", NAMESPACE, "-s", file, "-f", str(allowed), "-I", name),
                content=content,
            )
            if isinstance(verified, bytes):
                return SignatureCheck("ssh", match[2], name)
    return SignatureCheck("ssh", match[2], problem=f"is by a key that {allowed} does not allow: {match[2]}")


def _ssh_keygen(*arguments: str, content: bytes = b"") -> bytes | str:
    """Run `ssh-keygen` and return what it printed, or what it complained of."""
    environment = {**os.environ, "SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C"}
    environment.pop("DISPLAY", None)
    try:
        ran = subprocess.run(  # noqa: S603 (a fixed program, no shell)
            ["ssh-keygen", *arguments],  # noqa: S607 (whichever the operator's path has)
            input=content,
            capture_output=True,
            check=False,
            timeout=SECONDS,
            env=environment,
            start_new_session=True,  # without a terminal, a passphrase cannot be asked for
        )
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            raise BadInput(f"ssh-keygen cannot be run: {error.strerror}", fix="Mend OpenSSH's client here.") from error
        raise BadInput(
            "ssh-keygen is not installed here", fix="Install OpenSSH's client, version 8.2 or newer."
        ) from error
    except subprocess.TimeoutExpired:
        return f"no answer within {SECONDS} seconds"
    if ran.returncode:
        return (ran.stderr or ran.stdout).decode(errors="replace").strip()
    return ran.stdout


@contextmanager
def _file(raw: bytes) -> Iterator[str]:
    """A file of *raw* while the context lasts; its path."""
    with tempfile.NamedTemporaryFile(prefix="pitrkit-", suffix=".sig") as file:
        file.write(raw)
        file.flush()
        yield file.name


def _aws(key: str) -> Aws:
    arn = re.match(r"arn:[^:]*:kms:([^:]+):", key)
    return Aws.connect(region=arn[1] if arn else "")
