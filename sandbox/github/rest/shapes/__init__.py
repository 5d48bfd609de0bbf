"""The objects of the world in the shapes of REST's answers."""
