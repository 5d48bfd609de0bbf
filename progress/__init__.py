"""The progress of a backfill for people: views of its rows, and what follows from them. No SQL, no HTTP, no clock."""
