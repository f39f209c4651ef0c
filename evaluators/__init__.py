"""Evaluators: one file per metric, pure functions and a thin class. They know no method."""
