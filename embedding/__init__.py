"""Everything that is specific to OpenAI: the limits of a request, the answers, and the meaning of refusals."""
