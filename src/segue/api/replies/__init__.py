"""From running jobs to a response: listened to, gathered, worded by a response format, sent."""
