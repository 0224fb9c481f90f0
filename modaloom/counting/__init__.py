"""COUNT: a log as interests of shoppers in things, and the ways in which things are told apart."""
