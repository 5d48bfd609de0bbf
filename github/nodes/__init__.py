"""Maps GitHub's nodes (threads, and items of their timelines) to rows, and interprets nulls."""
