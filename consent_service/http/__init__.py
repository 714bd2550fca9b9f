"""Thin routes: parse, authorise, call a use case, render. Statuses, headers and JSON are known nowhere below."""
