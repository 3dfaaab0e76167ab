"""The words of Comeback: what services say to each other, on which topics, under which rules."""
