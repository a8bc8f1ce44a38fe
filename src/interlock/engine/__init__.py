"""Durable execution of plans: leases, resume, turning round, rollback."""
