"""A sealed record is signed by an SSH key or a KMS key, and the audit says by whom, and what does not count."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from pitrkit.errors import BadInput
from pitrkit.incident.incident import Incident
from pitrkit.record import audit as auditing
from pitrkit.record import seal as sealing
from tests.record.signing import WHO, ssh_key


@pytest.fixture
def incident(tmp_path):
    made = Incident.open("inc-1", root=tmp_path / "i", create=True, table="Orders")
    made.path("report.html").write_text("<!doctype html>")
    return made


@pytest.fixture
def asked(monkeypatch):
    def ask(settings):
        monkeypatch.setenv("PITRKIT_SETTINGS", str(settings))

    return ask


def found(incident) -> list[tuple[str, str]]:
    return [(finding.what, finding.name) for finding in auditing.audit(incident.folder).findings]


def test_an_allowed_signers_signature_is_named_and_anybody_can_check_it_without_the_kit(incident, tmp_path, asked):
    asked(ssh_key(tmp_path))
    seal = sealing.seal(incident)
    assert seal.signed_by.startswith("SHA256:")
    audit = auditing.audit(incident.folder)
    assert audit.ok
    assert not audit.findings
    assert (audit.signed.way, audit.signed.key, audit.signed.signer) == ("ssh", seal.signed_by, WHO)
    assert f"signed: by {WHO}, ssh key {seal.signed_by}" in str(audit)
    said = subprocess.run(
        ["ssh-keygen", "-Y", "verify", "-n", "pitrkit", "-f", tmp_path / "key.allowed", "-I", WHO,
         "-s", incident.path("manifest.json.sig")],
        input=incident.path("manifest.json").read_bytes(), check=True, capture_output=True,
    )  # fmt: skip
    assert b"Good" in said.stdout


def test_a_record_sealed_again_is_signed_again_and_the_earlier_signature_does_not_do(incident, tmp_path, asked):
    asked(ssh_key(tmp_path))
    sealing.seal(incident)
    earlier = incident.path("manifest.json.sig").read_bytes()
    incident.event("went_on")
    sealing.seal(incident)
    assert found(incident) == []
    incident.path("manifest.json.sig").write_bytes(earlier)
    assert found(incident) == [("altered", "manifest.json.sig")]


def test_a_key_that_nobody_vouches_for_is_a_note_and_one_that_is_not_allowed_a_fault(incident, tmp_path, asked):
    asked(ssh_key(tmp_path, "mine", allowed=False))
    sealing.seal(incident)
    assert found(incident) == [("unvouched", "manifest.json.sig")]
    assert auditing.audit(incident.folder).ok
    asked(ssh_key(tmp_path, "theirs"))
    assert found(incident) == [("signature", "manifest.json.sig")]
    assert "is by a key that" in str(auditing.audit(incident.folder))


def test_a_record_rewritten_with_all_its_hashes_but_without_the_key_is_not_signed(incident, tmp_path, asked):
    asked(ssh_key(tmp_path))
    sealing.seal(incident)
    assert auditing.audit(incident.folder).ok
    forged = Incident.open("inc-1", root=tmp_path / "forged", create=True, table="Orders")
    forged.path("report.html").write_text("<!doctype html> nothing happened")
    asked(tmp_path / "none.toml")
    (tmp_path / "none.toml").touch()
    sealing.seal(forged)
    assert found(forged) == []
    asked(tmp_path / "key.toml")
    assert found(forged) == [("unsigned", "manifest.json")]
    # and one signed by another key, whatever it says of itself
    asked(ssh_key(tmp_path, "theirs"))
    sealing.seal(forged)
    asked(tmp_path / "key.toml")
    assert found(forged) == [("signature", "manifest.json.sig")]


def test_what_cannot_be_signed_is_sealed_all_the_same_and_says_so(incident, tmp_path, asked, monkeypatch):
    settings = ssh_key(tmp_path, passphrase="secret")
    asked(settings)
    seal = sealing.seal(incident)
    assert "a passphrase signs through ssh-agent" in seal.unsigned
    assert found(incident) == [("unsigned", "manifest.json")]
    (tmp_path / "key").unlink()
    assert f"the signing key {tmp_path / 'key'} is missing" in sealing.seal(incident).unsigned
    monkeypatch.setenv("PATH", str(tmp_path))
    ssh_less = tmp_path / "key"
    ssh_less.touch()
    seal = sealing.seal(incident)
    assert seal.unsigned == ("ssh-keygen is not installed here\n-> Install OpenSSH's client, version 8.2 or newer.")
    assert not incident.path("manifest.json.sig").exists()
    audit = auditing.audit(incident.folder)
    assert not audit.ok
    assert "manifest.json: is not signed: ssh-keygen is not installed here" in str(audit)


def test_a_signature_that_cannot_be_checked_does_not_count(incident, tmp_path, asked, monkeypatch):
    asked(ssh_key(tmp_path))
    sealing.seal(incident)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert found(incident) == [("signature", "manifest.json.sig")]
    assert "could not be checked: ssh-keygen is not installed here" in str(auditing.audit(incident.folder))


def test_a_file_of_allowed_signers_that_is_missing_is_told(incident, tmp_path, asked):
    asked(ssh_key(tmp_path))
    sealing.seal(incident)
    (tmp_path / "key.allowed").unlink()
    assert "the file of allowed signers" in str(auditing.audit(incident.folder))


def test_settings_that_cannot_be_read_seal_nothing(incident, tmp_path, asked):
    (tmp_path / "bad.toml").write_text('[record]\nsign = "gpg:me"\n')
    asked(tmp_path / "bad.toml")
    with pytest.raises(BadInput, match="ssh:/path/to/key"):
        sealing.seal(incident)
    assert not incident.path("manifest.json").exists()


@pytest.mark.parametrize("spec", ["ECC_NIST_P384", "RSA_2048"])
def test_a_kms_key_signs_and_kms_itself_says_whether_it_holds(sandbox_aws, incident, tmp_path, asked, spec):
    kms = sandbox_aws.client("kms")
    arn = kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec=spec)["KeyMetadata"]["Arn"]
    (tmp_path / "kms.toml").write_text(f'[record]\nsign = "kms:{arn}"\n')
    asked(tmp_path / "kms.toml")
    assert sealing.seal(incident).signed_by == arn
    audit = auditing.audit(incident.folder)
    assert audit.ok
    assert not audit.findings
    assert str(audit).endswith(f"signed: kms key {arn}")
    signature = incident.path("manifest.json.sig")
    said = json.loads(signature.read_text())
    assert said["public_key"]
    other = kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec=spec)["KeyMetadata"]["Arn"]
    (tmp_path / "kms.toml").write_text(f'[record]\nsign = "kms:{other}"\n')
    assert found(incident) == [("signature", "manifest.json.sig")]
    assert "is by another key than the settings name" in str(auditing.audit(incident.folder))


def test_a_kms_key_that_cannot_sign_or_is_not_there_leaves_the_seal_unsigned(sandbox_aws, incident, tmp_path, asked):
    kms = sandbox_aws.client("kms")
    arn = kms.create_key()["KeyMetadata"]["Arn"]
    (tmp_path / "kms.toml").write_text(f'[record]\nsign = "kms:{arn}"\n')
    asked(tmp_path / "kms.toml")
    assert sealing.seal(incident).unsigned
    missing = arn[:-12] + "0" * 12
    (tmp_path / "kms.toml").write_text(f'[record]\nsign = "kms:{missing}"\n')
    assert "NotFoundException" in sealing.seal(incident).unsigned
    assert found(incident) == [("unsigned", "manifest.json")]


def test_a_kms_signature_is_not_taken_on_trust_where_kms_cannot_be_asked(
    sandbox_aws, incident, tmp_path, asked, monkeypatch
):
    arn = sandbox_aws.client("kms").create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")["KeyMetadata"]["Arn"]
    (tmp_path / "kms.toml").write_text(f'[record]\nsign = "kms:{arn}"\n')
    asked(tmp_path / "kms.toml")
    sealing.seal(incident)
    for name in [name for name in os.environ if name.startswith("AWS_ACCESS")]:
        monkeypatch.delenv(name)
    assert found(incident) == [("signature", "manifest.json.sig")]
    assert "could not be checked: no AWS credentials were found" in str(auditing.audit(incident.folder))
