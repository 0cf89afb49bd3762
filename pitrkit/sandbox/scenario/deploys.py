"""The story of a team's deploys around an incident, as CloudTrail tells it: harmless ones, and the one that did it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from pitrkit.sandbox.scenario.scenario import HOURS_OF_PAST, IncidentTimes
from pitrkit.sandbox.store.trail_events import ManagementEvent

ROLE = "ShopDeployer"
FUNCTION = "order-housekeeping"
"""The function whose new code damages the table."""
BAD_DEPLOY_BEFORE_DAMAGE = timedelta(seconds=6)
GOOD_DEPLOY_BEFORE_DAMAGE = timedelta(hours=3, minutes=12)
_SLOWEST = timedelta(seconds=3)


def deploys(incident: IncidentTimes) -> Iterator[ManagementEvent]:
    """What happened in the account, in time order, up to the deploy a few seconds before the first damaging write."""
    opened_at = incident.good_at - HOURS_OF_PAST / 2
    yield from _function(incident.started_at - GOOD_DEPLOY_BEFORE_DAMAGE, "ines.carvalho", "4e1f6c2", 41)
    yield ManagementEvent(
        opened_at + timedelta(minutes=47, seconds=9),
        "UpdateService",
        "ecs.amazonaws.com",
        "ravi.menon",
        ROLE,
        {"cluster": "shop", "service": "storefront", "taskDefinition": "storefront:118", "desiredCount": 4},
        (("AWS::ECS::Service", "storefront"),),
    )
    yield ManagementEvent(
        opened_at + timedelta(hours=1, minutes=26, seconds=31),
        "UpdateStack",
        "cloudformation.amazonaws.com",
        "ines.carvalho",
        ROLE,
        {"stackName": "shop-alarms", "usePreviousTemplate": False, "capabilities": ["CAPABILITY_IAM"]},
        (("AWS::CloudFormation::Stack", "shop-alarms"),),
    )
    yield ManagementEvent(
        opened_at + timedelta(hours=1, minutes=58, seconds=2),
        "UpdateTimeToLive",
        "dynamodb.amazonaws.com",
        "ravi.menon",
        parameters={
            "tableName": "Sessions",
            "timeToLiveSpecification": {"enabled": True, "attributeName": "ends_at"},
        },
        resources=(("AWS::DynamoDB::Table", "Sessions"),),
    )
    yield from _function(incident.started_at - BAD_DEPLOY_BEFORE_DAMAGE, "jonas.weber", "9ab07d3", 42)


def _function(at: datetime, user: str, commit: str, version: int) -> Iterator[ManagementEvent]:
    """A deploy of the function: its new code, then the shift of its traffic."""
    who: dict[str, Any] = {"user": user, "role": ROLE, "agent": "Boto3/1.42 shop-deploy/3.1"}
    yield ManagementEvent(
        at,
        "UpdateFunctionCode20150331v2",
        "lambda.amazonaws.com",
        parameters={
            "functionName": FUNCTION,
            "s3Bucket": "shop-releases",
            "s3Key": f"{FUNCTION}/{commit}.zip",
            "publish": True,
            "dryRun": False,
        },
        resources=(("AWS::Lambda::Function", FUNCTION),),
        **who,
    )
    yield ManagementEvent(
        at + _SLOWEST,
        "CreateDeployment",
        "codedeploy.amazonaws.com",
        parameters={
            "applicationName": FUNCTION,
            "deploymentGroupName": "production",
            "deploymentConfigName": "CodeDeployDefault.LambdaAllAtOnce",
            "description": f"{FUNCTION} {commit}, version {version}",
        },
        resources=(("AWS::CodeDeploy::Application", FUNCTION),),
        **who,
    )
