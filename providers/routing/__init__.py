"""Who serves a symbol: pure rules over what the providers say of themselves, without asking any of them."""
