"""The status and control API: who may call it, what goes in and out, and its own description."""
