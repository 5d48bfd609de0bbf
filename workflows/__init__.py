"""What decides: which repositories run, what is tried again, when a job is over. Touches nothing but Temporal."""
