"""The form that a reply must have: from a client's request to the tokens that may come next.

The only package that imports llguidance.
"""
