"""An unprivileged network for sandboxes: their packets are received here and carried on over ordinary sockets."""
