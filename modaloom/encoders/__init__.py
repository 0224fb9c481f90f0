"""EMBED: content in, frozen vectors out, each computed once."""
