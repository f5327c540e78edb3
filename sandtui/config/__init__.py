"""What sandtui stores between runs: settings, presets, drafts, histories and the journals of launches and transfers."""
