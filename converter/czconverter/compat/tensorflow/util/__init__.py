"""Steps before and after a network, under the module path of czmodel 5."""
