"""The init process of a sandbox: a small stand-alone program that only needs the standard library."""
