"""What sandtui keeps between runs: where it lies, presets, drafts and the journal of launches."""
