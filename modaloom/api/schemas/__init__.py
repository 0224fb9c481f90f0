"""The shapes of everything that is asked and answered, for checking and for ``/openapi.json``."""
