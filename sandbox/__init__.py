"""The embedded servers that the demo and the tests stand on; nothing in production imports this package."""
