"""What touches the world for the workflows: GitHub through `github/`, Postgres through `store/`. Decides nothing."""
