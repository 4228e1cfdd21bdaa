"""The places that keep parts of entries: the device, host memory, the disk."""
