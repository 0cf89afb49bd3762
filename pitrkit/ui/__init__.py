"""What cards, widgets and charts are made of: each shows itself as HTML and as plain text.

Open `view` and `blocks` first. May import config and aws; knows nothing of incidents or recoveries.
"""
