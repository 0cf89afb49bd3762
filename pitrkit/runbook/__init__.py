"""People and records: the incident's folder, its gate, the front that runs notebooks, the report and the views."""

import sys

if "ipykernel" in sys.modules:
    # Every notebook imports from here first: from then on what goes wrong in it is shown as a card.
    from pitrkit.runbook import failures

    failures.install()
