"""What generate.py writes: one module for each vector file, and the scripts by topic.

Every module states by hand what it expects of a case (validity, error, head of the encoding) where that is possible, and
generation fails if the reference disagrees.
"""
