"""What every notebook opens: an account and an incident, its status, and the gate before anything is written.

Open `session` first, then `gate`. May import record, ui, config, incident, recovery and all below.
"""
