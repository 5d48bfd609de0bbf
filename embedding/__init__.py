"""Everything that is specific to OpenAI: the largest requests, the answers, and the meaning of refusals."""
