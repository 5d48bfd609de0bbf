"""Everything that is specific to OpenAI: the largest requests, the answers, and what its refusals mean."""
