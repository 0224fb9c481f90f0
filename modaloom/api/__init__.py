"""SERVE: a live shop over HTTP."""
