"""The training configuration: presets read into frozen values."""
