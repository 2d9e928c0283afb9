"""What the house rules demand of the source text itself."""
