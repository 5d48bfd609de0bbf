"""The GraphQL documents, and what of them a server's schema can take."""
