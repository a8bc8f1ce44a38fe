"""What the payments DAGs share. Nothing here reads a network, a database or a variable when it is imported."""
