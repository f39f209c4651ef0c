"""Retrieval: databases of training windows and the scores by which one is preferred to another."""
