"""The world's objects in REST's shapes."""
