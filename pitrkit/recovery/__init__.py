"""The recovery itself: no notebook, no AWS client by name. From two pasts to guarded writes, and their proof.

Open `snapshot/snapshot` first. The way of an item: `snapshot` -> `changes` (or `changelog`) -> `plan` -> `apply`.
`advice` says what to know before.
May import aws and the ground (`times`, `files`, `documents`, `errors`).
"""
