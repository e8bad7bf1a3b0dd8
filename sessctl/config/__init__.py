"""The backends a team has configured: files, their merging, and references to secrets."""
