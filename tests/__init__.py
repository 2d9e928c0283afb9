"""Tests are sentences, grouped by the claim they prove."""
