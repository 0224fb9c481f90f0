"""The routes: what is asked, turned into calls of the live shop and its store, and written as JSON."""
