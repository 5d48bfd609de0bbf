"""Everything that is specific to OpenAI: the size of a request, its answers, and the meaning of its refusals."""
