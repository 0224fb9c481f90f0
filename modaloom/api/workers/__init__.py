"""The processes that answer: started, watched, stopped, and the port that they share."""
