"""Plans: what differs, who is affected, in which order, and what can be undone."""
