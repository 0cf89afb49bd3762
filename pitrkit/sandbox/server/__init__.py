"""The process that serves: how the sandbox is put together. Open `sandbox` first.

May import every room of the sandbox but scenario.
"""
