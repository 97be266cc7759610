"""Measures czengine against other ways to do the same work; start with `python -m czbench.streaming --help`."""
