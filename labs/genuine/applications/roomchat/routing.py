"""Each channel has one consumer, so a dict is enough."""

from .consumers import ws_connect, ws_disconnect, ws_receive

channel_routing = {
    "websocket.connect": ws_connect,
    "websocket.receive": ws_receive,
    "websocket.disconnect": ws_disconnect,
}
