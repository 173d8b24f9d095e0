"""Training runs: settings and presets, the loop, checkpoints."""
