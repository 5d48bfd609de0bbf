"""Creates the embedding of every stored thread."""
