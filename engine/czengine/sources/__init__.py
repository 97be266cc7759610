"""Where pixels come from: `base` says what a source is, `collection` opens what is on disk, `array` NumPy arrays."""
