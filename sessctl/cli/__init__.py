"""The command line: signatures, prompts and output. No store or crypto logic lives here."""
