"""KEEP: what a live shop knows, behind one contract, chosen by URL."""
