"""The file browser: two panes, the transfer queue and the preview."""
