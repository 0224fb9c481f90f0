"""What happens around every request, as plain ASGI: errors, limits, logs, metrics."""
