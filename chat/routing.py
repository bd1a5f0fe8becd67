"""Which consumer runs for which channel."""

from chat.accounts.consumers import logged_out
from chat.consumers import ws_connect, ws_disconnect, ws_receive

channel_routing = {
    "websocket.connect": ws_connect,
    "websocket.receive": ws_receive,
    "websocket.disconnect": ws_disconnect,
    "chat.logged-out": logged_out,
}
