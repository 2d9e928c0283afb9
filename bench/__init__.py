"""What Alveary costs, beside its peers, all in one run: ``python -m bench``.

Not tests, and not shipped. What belongs here: the contestants, the load, the lines of the table and what each asks
for. What does not: limits that a change must keep, which are tests.
"""
