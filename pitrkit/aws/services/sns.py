"""Topics of Amazon SNS, to which short messages are published."""

from __future__ import annotations

from pitrkit.aws.client.client import Aws

LONGEST_SUBJECT = 100


def publish(aws: Aws, arn: str, subject: str, message: str) -> str:
    """Publish a message to a topic and return its id; *aws* is of the topic's own Region.

    Raises:
        PitrkitError: It could not be published.
    """
    plain = subject.encode("ascii", "replace").decode()[:LONGEST_SUBJECT]
    answer = aws.call("sns", "publish", TopicArn=arn, Subject=plain, Message=message)
    return str(answer["MessageId"])
