"""From scores to probabilities: how sure an answer is, and from what doubt on a mention is called NIL."""
