"""Where the bytes of checkpoints live: on the device (live and parked) and in host memory."""
