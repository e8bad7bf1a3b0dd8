"""Many cookies at once: lines, JSON Lines, a HAR file, a cookies.txt."""
