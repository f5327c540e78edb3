"""The init process of one sandbox: a small stand-alone program that needs only the standard library."""
