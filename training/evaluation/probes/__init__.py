"""Where and when the outline errs: rotation, surface."""
