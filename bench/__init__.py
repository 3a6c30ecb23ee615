"""Measures what the product promises, beside a bare floor of the same run."""
