"""Compiled models on devices: one protocol, one module per runtime."""
