"""The activity: what happened, and the requests behind each entry."""
