"""What pages write: names for people, formats of values, and addresses."""
