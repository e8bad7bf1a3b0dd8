"""Acme's cookies and session stores for sessctl."""
