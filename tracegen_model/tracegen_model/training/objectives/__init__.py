"""What training minimises, for each kind of network."""
