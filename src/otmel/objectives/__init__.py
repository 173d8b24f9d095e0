"""The training objective, Eq. 26–29."""
