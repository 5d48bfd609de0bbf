"""All that knows OpenAI: how much fits into a request, what it answers, and what its refusals mean to us."""
