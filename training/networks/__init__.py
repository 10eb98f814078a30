"""The networks: building blocks, attention module, USegNet and the auto-context cascade."""
