"""How libraries lay their sessions out, one module per framework family."""
