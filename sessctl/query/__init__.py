"""The query language: `user == "42" and ttl < 30m and data.role in ("guest", "bot")`.

Parsed once, typed, without arithmetic, regular expressions, loops or I/O: `parse.py` reads it,
`condition.py` judges sessions by it. What a store can answer is pushed down by `push_down`, and
everything is checked again here.
"""

from sessctl.query.condition import Condition
from sessctl.query.parse import parse_condition

__all__ = ["Condition", "parse_condition"]
