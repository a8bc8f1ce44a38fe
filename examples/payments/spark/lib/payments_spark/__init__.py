"""What the payments Spark jobs share."""
