"""A TCP proxy that breaks connections the way real networks, firewalls and dying hosts do."""

__version__ = "0.1.0.dev0"
