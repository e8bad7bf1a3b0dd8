"""How to talk to each kind of store; the only place that knows drivers."""
