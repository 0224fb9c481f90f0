"""The built-in shop: draws and writes a whole shop whose truth is known."""
