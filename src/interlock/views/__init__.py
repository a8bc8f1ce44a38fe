"""What people and machines get to see. Nothing below this layer prints."""
