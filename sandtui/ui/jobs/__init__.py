"""The screen of background jobs, its log pane and its dialogs."""
