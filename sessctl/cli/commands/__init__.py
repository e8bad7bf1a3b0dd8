"""One module per command: signature, help, one call into the library, one call to output."""
