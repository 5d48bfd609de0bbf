"""What REST shows of what the world holds, in GitHub's shapes."""
