"""Training: content, data, losses, the loop and its presets."""
