"""How long a measurement takes, stage by stage, on simulated volumes of three sizes."""
