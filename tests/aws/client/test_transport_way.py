"""The wire goes where boto3 would go, the way boto3 would go, and signs as botocore signs."""

import base64
import ipaddress
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from pitrkit.aws.client.client import Aws
from pitrkit.aws.client.error_mapping import Ambiguous
from pitrkit.aws.client.sigv4 import Address, Signer
from pitrkit.aws.client.transport import Wire
from tests.aws.loopback import Proxy, Stub, http

BODY = b'{"TableName":"Orders"}'
words = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@given(
    body=st.binary(max_size=300),
    secret=words,
    token=st.one_of(st.none(), words),
    at=st.integers(1_577_836_800, 3_786_912_000),
    path=st.sampled_from(["/", "/dynamodb/"]),
    port=st.sampled_from(["", ":8000"]),
)
def test_a_signature_is_botocores_own(*, body, secret, token, at, path, port):
    held = Credentials("AKIDEXAMPLE", secret, token)
    address = Address(path, path, f"db.example{port}", "eu-west-1", "dynamodb", "DynamoDB_20120810", "agent")
    signer = Signer(held, address, clock=lambda: at + 0.9)
    lines = signer.head("PutItem", body).decode().removesuffix("\r\n\r\n").split("\r\n")[1:]
    headers = dict(line.split(":", 1) for line in lines)
    ours = headers.pop("authorization")
    signed = {name: value for name, value in headers.items() if name in ours.partition("SignedHeaders=")[2]}
    assert "x-amz-target" in signed
    assert ("x-amz-security-token" in signed) == bool(token)

    request = AWSRequest("POST", f"http://db.example{port}{path}", headers=signed, data=body)
    request.context["timestamp"] = datetime.fromtimestamp(at, UTC).strftime("%Y%m%dT%H%M%SZ")
    theirs = SigV4Auth(held, "dynamodb", "eu-west-1")
    canonical = theirs.canonical_request(request)
    signature = theirs.signature(theirs.string_to_sign(request, canonical), request)
    assert ours.endswith(f"Signature={signature}")
    assert theirs.scope(request) in ours
    assert headers["content-length"] == str(len(body))


def sent_by_boto3(stub):
    aws = Aws.connect(region="eu-west-1", endpoint_url=stub.url)
    aws.call("dynamodb", "scan", TableName="Orders")
    return aws


def headers_of(request):
    lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}


def test_its_requests_say_what_boto3s_say():
    with Stub() as stub:
        aws = sent_by_boto3(stub)
        Wire.of(aws).send("Scan", BODY)
    theirs, ours = map(headers_of, stub.requests)
    for name in ("host", "content-type", "x-amz-target", "accept-encoding"):
        assert ours[name] == theirs[name]
    assert ours["authorization"].partition("Signature")[0].split("/")[1:4] == theirs["authorization"].split("/")[1:4]
    assert ours["user-agent"].split()[0] == theirs["user-agent"].split()[0]
    assert "pitrkit/" in ours["user-agent"]


def test_the_accounts_own_endpoint_is_used_where_boto3_uses_it(monkeypatch):
    monkeypatch.setenv("AWS_ACCOUNT_ID", "123456789012")
    aws = Aws.connect(region="eu-west-1")
    request, _ = aws.prepared("dynamodb", "scan", TableName="any")
    assert "123456789012" in request.url  # if botocore changes its mind, so do we
    with Proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(Ambiguous):  # the proxy leads nowhere else
            Wire.of(Aws.connect(region="eu-west-1")).send("Scan", BODY)
    assert proxy.requests[0].split()[1] == b"123456789012.ddb.eu-west-1.amazonaws.com:443"


def test_a_plain_endpoint_is_reached_through_the_configured_proxy(monkeypatch):
    with Proxy(http('{"Count":7}')) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("//", "//user:pass%21@"))
        aws = Aws.connect(region="eu-west-1", endpoint_url="http://dynamodb.invalid:8000")
        assert Wire.of(aws).send("Scan", BODY).body == b'{"Count":7}'
    head = proxy.requests[0].decode()
    assert head.startswith("POST http://dynamodb.invalid:8000/ HTTP/1.1\r\n")
    assert f"proxy-authorization:basic {base64.b64encode(b'user:pass!').decode().lower()}" in head.lower()
    assert "\r\nhost:dynamodb.invalid:8000\r\n" in head


def test_no_proxy_counts(monkeypatch):
    with Proxy() as proxy, Stub(http("{}")) as stub:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        Wire.of(Aws.connect(region="eu-west-1", endpoint_url=stub.url)).send("Scan", BODY)
    assert len(stub.requests) == 1
    assert not proxy.requests


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for localhost that is its own authority: the file, and a server's context."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return path, context


def test_tls_is_trusted_by_the_configured_bundle_only(certificate, monkeypatch):
    path, context = certificate
    with Stub(http("x" * 300_000), tls=context) as stub:
        with pytest.raises(Ambiguous, match="CERTIFICATE_VERIFY_FAILED"):
            Wire.of(Aws.connect(region="eu-west-1", endpoint_url=stub.url)).send("Scan", BODY)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(path))
        wire = Wire.of(Aws.connect(region="eu-west-1", endpoint_url=stub.url))
        for _ in range(3):
            assert wire.send("Scan", BODY).body == b"x" * 300_000
    assert len(stub.requests) == 3


def test_tls_goes_through_a_tunnel_of_the_proxys(certificate, monkeypatch):
    path, context = certificate
    monkeypatch.setenv("AWS_CA_BUNDLE", str(path))
    with Stub(http("{}"), tls=context) as stub, Proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        wire = Wire.of(Aws.connect(region="eu-west-1", endpoint_url=stub.url))
        assert [wire.send("Scan", BODY).body for _ in range(3)] == [b"{}"] * 3
    assert len(proxy.requests) == 1
    assert proxy.requests[0].startswith(f"CONNECT localhost:{stub.port} ".encode())
    assert stub.requests[0].startswith(b"POST / HTTP/1.1\r\n")
