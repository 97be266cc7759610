"""Steps before and after a network, under the module paths of czmodel 0.1 to 4."""
