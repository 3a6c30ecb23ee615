"""PostgreSQL, the truth: tables, the unit of work and every query."""
