"""The file browser: two panes, the queue of transfers, the preview."""
