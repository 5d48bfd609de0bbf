"""What GitHub's nodes are to us: what a null means; a thread, or an item of its timeline, as rows."""
