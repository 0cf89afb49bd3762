"""Stories to recover from: the damaged shop, your own data, and what is known to be true. Open `scenario`, then `shop`.

May import server, exports, store.
"""
