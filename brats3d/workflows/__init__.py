"""What a verb does, as one function each."""
