"""Is this installation, its configuration and every backend in working order? One module for each
thing that is looked at; each yields checks."""
