"""What a reply must look like: from what clients ask for to the tokens that may come next.

The only package that imports llguidance.
"""
