"""What Daphne 1.4 serves."""

from channels.asgi import get_channel_layer

channel_layer = get_channel_layer()
