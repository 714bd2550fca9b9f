"""The consent and preference service: what each person agreed to, per purpose, under which text, since when."""

__version__ = "0.1.0"
