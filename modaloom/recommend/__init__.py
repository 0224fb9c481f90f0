"""ANSWER: retrieve, filter, score, rerank, explain. Needs no torch: it runs what a bundle holds."""
