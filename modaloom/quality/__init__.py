"""CHECK: says what a shop's files lack before anybody learns from them; finds, never changes."""
