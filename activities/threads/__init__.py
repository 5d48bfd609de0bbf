"""The reading of threads (pull requests, issues, discussions): what to ask next, and when a type is complete."""
