"""People and records: the incident's folder, its gate, the front that runs notebooks, the report and the views."""
