"""What a team settles in `pitrkit.toml`: accounts, guardrails, masked attributes, prices, limits.

Open `team_settings` first. May import incident, recovery, aws.
"""
