"""Where results go: OME-Zarr images and arrays in memory."""
