"""`comeback demo`: the main job on simulated chargers, told as it happens."""
