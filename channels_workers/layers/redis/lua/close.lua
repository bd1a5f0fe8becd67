-- close.lua: end a connection. Exactly one disconnect follows its last message.
-- include: keys.lua epoch.lua connection.lua delayed.lua kept.lua
--
-- KEYS[1]  prefix
-- ARGV     1 reply channel, a kept one as it is asked about (kept.lua), 2 close code, 3 the epoch that the server knows, or ""
-- reads    session:<reply>
-- writes   connections:<server>, told:<reply>, channel:<those of the first and the last message>,
--          ended:<server>, kept:<reply>, parked
-- returns  "published" (the connection was idle); "closing" (the commit of the pending message will
--          publish it); "withdrawn" (no worker had taken its first message: nothing is left);
--          "repeated"; "gone" (no record)

local reply, server = read_asked(ARGV[1])
local code = ARGV[2]
local transient = transient_error(ARGV[3])
if transient then return transient end
if has_moved(reply, server) then return "gone" end
local record = read_record(reply)

if not record then return "gone" end
unpark(reply)
return close_connection(reply, record, code)
