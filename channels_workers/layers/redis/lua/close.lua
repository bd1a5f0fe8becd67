-- close.lua: end a connection. Exactly one disconnect follows its last message.
-- include: keys.lua epoch.lua connection.lua
--
-- KEYS[1]  prefix
-- ARGV     1 reply channel, 2 close code, 3 the epoch that the server knows, or ""
-- reads    session:<reply>
-- writes   connections:<server>, told:<reply>, channel:<those of the first and the last message>,
--          ended:<server>
-- returns  "published" (the connection was idle); "closing" (the commit of the pending message will
--          publish it); "withdrawn" (no worker had taken its first message: nothing is left);
--          "repeated"; "gone" (no record)

local reply, code = ARGV[1], ARGV[2]
local transient = transient_error(ARGV[3])
if transient then return transient end
local record = read_record(reply)

if not record then return "gone" end
return close_connection(reply, record, code)
