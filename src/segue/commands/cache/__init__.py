"""`segue cache`: what a cache directory holds, and how to change that from outside."""
