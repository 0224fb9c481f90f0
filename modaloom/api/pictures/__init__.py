"""Pictures that strangers send, and copies of the shop's own in the sizes of the page."""
