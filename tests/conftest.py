"""What all tests share: hypothesis without deadlines (machines are shared), and no way to a real AWS account."""

import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("kit", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kit")

OF_TESTS = ("PITRKIT_TESTS_MAY_NOT_SKIP", "PITRKIT_DYNAMODB_LOCAL", "PITRKIT_PROVE")
"""Settings of the tests themselves: nothing may skip, where DynamoDB Local is, long proofs run whole."""

for name in list(os.environ):
    if name.startswith("AWS_") or (name.startswith("PITRKIT_") and name not in OF_TESTS):
        del os.environ[name]
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull


@pytest.fixture(scope="module")
def sandbox_aws():
    """A sandbox that the environment names."""
    from pitrkit.sandbox import Sandbox  # takes a second, and most tests do without

    with Sandbox() as sandbox, pytest.MonkeyPatch.context() as environment:
        for name, value in sandbox.environment().items():
            environment.setenv(name, value)
        yield sandbox
