"""Comparing, telling again and beginning anew: what operators do with the stream (R31)."""
