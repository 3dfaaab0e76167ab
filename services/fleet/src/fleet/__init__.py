"""Fleet: which chargers there are, what they can do, and how each proves who it is."""
