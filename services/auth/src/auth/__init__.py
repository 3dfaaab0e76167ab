"""Auth: who people are, what they are in each group, and the tokens that say so."""
