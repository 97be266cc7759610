"""Sources of trained networks, one module per framework; `open` chooses, `base` says what each of them becomes."""
