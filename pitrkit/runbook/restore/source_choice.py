"""What a copy is restored from and what it is to be like: asked for by parameters, or chosen by hand in 03 and 11."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import ipywidgets as widgets

from pitrkit.aws import arns
from pitrkit.aws.backups import backups, recovery_points
from pitrkit.aws.backups.backups import Backup, BackupList
from pitrkit.aws.backups.restore_options import BILLING, Options
from pitrkit.aws.tables.tables import MANAGED, OWNED
from pitrkit.incident.state import BEFORE_DAMAGE
from pitrkit.runbook.restore import source_views
from pitrkit.runbook.session.session import Session
from pitrkit.times import iso
from pitrkit.ui.controls import WIDE, CardControl
from pitrkit.ui.text import size, visible

OPTIONS = ("region", "indexes", "kms_key", "billing", "throughput")


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """What was asked for, as text; blank is for the step to fill.

    Attributes:
        backup: ARN of the backup or recovery point to restore; blank for point-in-time recovery.
        role: ARN of the role that AWS Backup restores under.
        region: Region to restore in.
        indexes: `none`, `all`, or names.
        kms_key: `aws-owned`, `aws-managed`, or a customer key.
        billing: `on-demand` or `provisioned`.
        throughput: `READ/WRITE` units.
    """

    backup: str = ""
    role: str = ""
    region: str = ""
    indexes: str = ""
    kms_key: str = ""
    billing: str = ""
    throughput: str = ""

    def check(self) -> RestoreRequest:
        """Return it if it can be read and fits together, as far as that can be told without AWS.

        Raises:
            BadInput: It cannot.
        """
        options = self.options()
        if self.backup:
            named = arns.backup_arn(self.backup)
            if named.managed:
                recovery_points.check(self.backup, options, self.role)
        return self

    def options(self, *, indexes: str = "") -> Options:
        """Return what the restored table is to be like; *indexes* is taken where none was asked for."""
        values: dict[str, str] = {name: getattr(self, name).strip() for name in OPTIONS}
        return replace(Options(**values), indexes=values["indexes"] or indexes)

    def to_dict(self) -> dict[str, str]:
        """Return what was asked for, without blanks."""
        return {name: value for name, value in asdict(self).items() if value}

    def over(self, earlier: Mapping[str, Any]) -> RestoreRequest:
        """Return it with what an earlier run asked for in the place of blanks."""
        return RestoreRequest(**{name: value or str(earlier.get(name, "")) for name, value in asdict(self).items()})


class SourceChoice(CardControl):
    """What to restore, and how, above the sources that there are. A parameter is what is chosen at first.

    Args:
        found: The backups there are.
        asked: What was asked for by parameters.
        pitr: What point-in-time recovery offers, in words; blank where there is no such source.
        indexes: Names of the source's indexes.
        default: What blank indexes mean: `none` or `all`.
    """

    def __init__(
        self, backup_list: BackupList, request: RestoreRequest, *, pitr: str, indexes: list[str], default: str
    ) -> None:
        self.view = source_views.sources_card(
            backup_list, request.to_dict(), pitr=pitr, indexes=indexes, default=default
        )
        listed = [(pitr, "")] if pitr else [("the latest backup", "")]
        listed += [(visible(described(backup)), backup.arn) for backup in backup_list.backups]
        if request.backup and request.backup not in {arn for _, arn in listed}:
            listed.append((visible(request.backup), request.backup))
        self.source = widgets.Dropdown(
            description="Source", options=listed, value=request.backup, style=WIDE, layout={"max_width": "100%"}
        )
        billings = [("same as the source", ""), *((name, name) for name in BILLING)]
        self.billing = widgets.Dropdown(description="Billing", options=billings, value=request.billing, style=WIDE)
        self.region = _text("Region", request.region, "same Region")
        self.indexes = _text("Indexes", request.indexes, f"{default}; or {', '.join(['none', 'all', *indexes])}")
        self.kms_key = _text(
            "KMS key", request.kms_key, f"same as the source; {OWNED}, {MANAGED}, or a key's ARN or alias"
        )
        self.throughput = _text("Units", request.throughput, "READ/WRITE, for example 100/50")
        self.role = _text("AWS Backup role", request.role, "only for AWS Backup: arn:aws:iam::...:role/...")
        self.box = widgets.VBox([self.source, *(getattr(self, name) for name in ("role", *OPTIONS))])

    @property
    def asked(self) -> RestoreRequest:
        """What is chosen.

        Raises:
            BadInput: It cannot be read.
        """
        values = {name: getattr(self, name).value.strip() for name in ("role", *OPTIONS)}
        return RestoreRequest(backup=self.source.value or "", **values).check()


def _text(label: str, value: str, placeholder: str) -> Any:
    return widgets.Text(
        description=label, value=value, placeholder=visible(placeholder), style=WIDE, layout={"width": "44em"}
    )


def described(backup: Backup) -> str:
    """Return a backup in a line."""
    return f"{iso(backup.created_at)}, {backups.WORDS[backup.kind]}, {size(backup.size_bytes)}"


def choose(session: Session, **fields: str) -> SourceChoice:
    """Return a control over what the incident's table can be restored from, and what the copy is to be like.

    Args:
        session: The incident's session.
        fields: The fields of `RestoreRequest`, as parameters say them.

    Raises:
        BadInput: A parameter cannot be read.
    """
    request = RestoreRequest(**fields).check()
    source_aws, source = session.source()
    at = session.data.get(BEFORE_DAMAGE.at)
    pitr_text = f"point-in-time recovery of {source.name}" + (f", as of {at}" if at else "")
    pitr_text += f" ({source_aws.region})" if source_aws is not session.aws else ""
    names = [index.name for index in source.indexes]
    backup_list = backups.of_table(session.aws, session.table().arn)
    return SourceChoice(backup_list, request, pitr=pitr_text, indexes=names, default="none")
