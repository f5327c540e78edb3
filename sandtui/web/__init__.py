"""The dashboard in a browser: ``sandtui web``. See ``README.md`` beside this file."""
