"""Signing by an asymmetric key in AWS KMS: the key never leaves it, and CloudTrail has who used it."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import asdict, dataclass
from typing import Any, Self

from pitrkit import documents
from pitrkit.aws.client.client import Aws
from pitrkit.errors import AwsError, BadInput

PREFERRED = ("ECDSA_SHA_256", "RSASSA_PSS_SHA_256", "RSASSA_PKCS1_V1_5_SHA_256", "ECDSA_SHA_384", "ECDSA_SHA_512")


@dataclass(frozen=True, slots=True)
class KmsSignature:
    """A signature by a KMS key, on the digest of what is signed.

    Attributes:
        key: The key's ARN.
        algorithm: KMS's name of the algorithm, e.g. `ECDSA_SHA_256`.
        signature: The signature, in base64.
        public_key: The key's public half (DER, in base64), for whoever checks it without AWS.
    """

    key: str
    algorithm: str
    signature: str
    public_key: str

    def to_dict(self) -> dict[str, str]:
        """Return it as plain JSON."""
        return asdict(self)

    @classmethod
    def read(cls, raw: bytes) -> Self | None:
        """Return the signature that `to_dict` wrote, None if *raw* is none."""
        try:
            signature = documents.from_json(raw, cls)
            base64.b64decode(signature.signature, validate=True)
        except ValueError:
            return None
        return signature


def sign(aws: Aws, key: str, content: bytes) -> KmsSignature:
    """Return the signature of *key* on *content*.

    Raises:
        BadInput: The key is not one that signs.
        AwsError: KMS refuses.
    """
    about = aws.call("kms", "get_public_key", KeyId=key)
    offered = about.get("SigningAlgorithms") or ()
    algorithm = next((name for name in PREFERRED if name in offered), "")
    if not algorithm:
        raise BadInput(f"the KMS key {key} cannot sign", fix="Use an asymmetric key made for SIGN_VERIFY (ECC or RSA).")
    answer = aws.call(
        "kms", "sign", KeyId=key, MessageType="DIGEST", SigningAlgorithm=algorithm, Message=_digest(algorithm, content)
    )
    encoded = base64.b64encode(answer["Signature"]).decode()
    return KmsSignature(_arn(about["KeyId"], key), algorithm, encoded, base64.b64encode(about["PublicKey"]).decode())


def verify(aws: Aws, signed: KmsSignature, content: bytes) -> bool:
    """Return whether the signature is that key's on *content*, by KMS's own word.

    Raises:
        AwsError: KMS refuses to say.
    """
    parameters: dict[str, Any] = {"KeyId": signed.key, "SigningAlgorithm": signed.algorithm, "MessageType": "DIGEST"}
    try:
        answer = aws.call(
            "kms",
            "verify",
            Message=_digest(signed.algorithm, content),
            Signature=base64.b64decode(signed.signature),
            **parameters,
        )
    except AwsError as error:
        if error.code == "KMSInvalidSignatureException":
            return False
        raise
    return bool(answer.get("SignatureValid"))


def arn_of(aws: Aws, key: str) -> str:
    """Return the ARN of the key that *key*, which may be an alias, names now.

    Raises:
        AwsError: KMS refuses to say.
    """
    return _arn(aws.call("kms", "get_public_key", KeyId=key)["KeyId"], key) if ":alias/" in key else key


def _arn(answered_key: str, requested_key: str) -> str:
    return answered_key if answered_key.startswith("arn:") else requested_key


def _digest(algorithm: str, content: bytes) -> bytes:
    return hashlib.new(f"sha{algorithm.rpartition('_')[2]}", content).digest() if algorithm in PREFERRED else b""
