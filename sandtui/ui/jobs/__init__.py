"""Background jobs: the screen, its log pane and its dialogs."""
