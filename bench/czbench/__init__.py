"""Measures czengine against other ways to do the same work. Nothing is here yet."""
