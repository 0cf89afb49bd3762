"""Requests and replies, and the layers around moto: validation, metering, faults. Open `protocol` first.

May import store.
"""
