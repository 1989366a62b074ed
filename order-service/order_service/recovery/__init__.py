"""What ends orders whose lifecycle is dead, or never began."""
