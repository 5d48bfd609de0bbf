"""Everything that is specific to OpenAI: how large a request may be, its answers, and what its refusals mean."""
