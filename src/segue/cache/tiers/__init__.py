"""Where the parts of entries are kept: on the device, in host memory, on disk."""
