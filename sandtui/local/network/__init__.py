"""A network for sandboxes without rights on the machine: their packets end here and go on as ordinary sockets."""
