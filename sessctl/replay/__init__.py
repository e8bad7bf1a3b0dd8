"""Scenarios played against a web application: with its cookies and without."""
