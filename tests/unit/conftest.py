"""Property tests say what must hold, never how fast: a busy machine is no failure."""

from hypothesis import HealthCheck, settings

settings.register_profile("mobius", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mobius")
