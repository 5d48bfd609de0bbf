"""The GraphQL documents, and their adaptation to a server's schema."""
