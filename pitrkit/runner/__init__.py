"""Runs with nobody in front of them: notebooks through papermill, as one logged, locked and notified service.

Open `service` first: what `pitrkit run`, `recover` and `drill` call. `recover` is a whole route, `notebook_run` one
notebook.
May import runbook and all below it.
"""
