"""Maps GitHub's nodes (threads, and the items of their timelines) to rows, and interprets null nodes."""
