"""Keeping the record after each step: sealed again where it was sealed, and uploaded where the settings say so."""

from __future__ import annotations

import os
from typing import TextIO

from pitrkit.aws.client.client import Aws
from pitrkit.config import team_settings
from pitrkit.errors import AwsError, PitrkitError
from pitrkit.incident.incident import DRY_RUN_VARIABLE, Incident
from pitrkit.record import seal as sealing
from pitrkit.record.upload import FAILED, WENT_THROUGH, Upload
from pitrkit.ui.text import clean


def save_record(incident: Incident, echo: TextIO | None = None, *, seal: bool = False) -> list[str]:
    """Seal the incident's record if it ever was, or *seal* says so; upload it if that is set; return what went wrong.

    Nothing of it stops a recovery. What went wrong is said on *echo* and is in the record.

    Raises:
        BadInput: The folder cannot be sealed: it holds something that is not a plain file.
    """
    kit_settings = team_settings.read()
    upload, problems = None, []
    if kit_settings.record.upload and not os.environ.get(DRY_RUN_VARIABLE):
        try:
            upload = Upload(incident, kit_settings, Aws.connect())
            if upload.note_place() and upload.warning:
                problems.append(f"the record is not locked: {upload.warning}")
        except PitrkitError as error:
            problems.append(_failed(incident, kit_settings.record.upload, error))
    if seal or sealing.is_sealed(incident):
        sealed = sealing.seal(incident)
        if sealed.unsigned:
            problems.append(f"the record is not signed: {sealed.unsigned}")
    if upload is not None:
        problems += _send(incident, upload)
    if echo is not None:
        for problem in problems:
            print(f"! {clean(problem)}", file=echo, flush=True)
    return problems


def _send(incident: Incident, upload: Upload) -> list[str]:
    sent = upload.send()
    last = next((event.event for event in reversed(incident.events()) if event.event in (FAILED, WENT_THROUGH)), "")
    if sent.failed:
        name, why = sent.failed[0]
        message = f"the record is not whole at {sent.to}: {name} was not uploaded: {why}"
        incident.event(FAILED, to=sent.to, files=[name for name, _ in sent.failed], why=why)
        sealing.seal_again(incident)
        return [message]
    if last == FAILED:
        incident.event(WENT_THROUGH, to=sent.to, files=len(sent.files))
        sealing.seal_again(incident)
        upload.send()
    return []


def _failed(incident: Incident, to: str, error: PitrkitError) -> str:
    about = {"code": error.code, "request_id": error.request_id} if isinstance(error, AwsError) else {}
    incident.event(FAILED, to=to, files=[], why=str(error), **about)
    return f"the record was not uploaded to {to}: {error}"
