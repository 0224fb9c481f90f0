"""Attacks on the service, on loopback, bounded in number and time."""
