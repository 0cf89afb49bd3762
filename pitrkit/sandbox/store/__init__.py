"""Tables with a past: moto's DynamoDB backend with its storage replaced. Open `tables` and `history` first.

Imports no other room of the sandbox.
"""
