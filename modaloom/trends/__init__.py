"""READ THE TIMES: what rises and falls in a shop's own behaviour, how sure that is, and what to do about it."""
