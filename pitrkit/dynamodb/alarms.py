"""CloudWatch alarms, as far as a copy has to know of them."""

from __future__ import annotations

from collections.abc import Sequence

from pitrkit.dynamodb.session import Aws
from pitrkit.errors import BadInput


def in_alarm(aws: Aws, names: Sequence[str]) -> list[str]:
    """Return which of the alarms *names* (metric or composite, at most 100) are in ALARM now.

    Raises:
        BadInput: There is no alarm of such a name.
        AccessDenied: The caller may not read alarms (`cloudwatch:DescribeAlarms`).
    """
    answer = aws.call(
        "cloudwatch", "describe_alarms", AlarmNames=list(names), AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    )
    alarms = [*answer.get("MetricAlarms", ()), *answer.get("CompositeAlarms", ())]
    states = {alarm["AlarmName"]: alarm["StateValue"] for alarm in alarms}
    if unknown := sorted(set(names) - states.keys()):
        raise BadInput(
            f"there is no CloudWatch alarm {', '.join(unknown)} in {aws.region}",
            fix="Check the name and the region; a brake that does not exist would not brake.",
        )
    return sorted(name for name, state in states.items() if state == "ALARM")
