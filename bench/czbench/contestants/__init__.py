"""Programs that do the engine's work in other ways, each a process of its own: `python -m czbench.contestants.NAME`."""
