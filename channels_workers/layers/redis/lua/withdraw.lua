-- withdraw.lua: delete a request that no worker has taken.
-- include: keys.lua epoch.lua connection.lua
--
-- KEYS[1]  prefix
-- ARGV     1 reply channel, 2 the epoch that the server knows, or ""
-- writes   connections:<server>, session:<reply>, told:<reply>, channel:http.request, ended:<server>
-- returns  1 if nothing is left of it, also if this is repeated; 0 if a worker has or had it, and
--          without a record

local reply = ARGV[1]
local transient = transient_error(ARGV[2])
if transient then return transient end
local record = read_record(reply)
if not record then return on_key("HGET", ended_key(server_of(reply)), reply) == "withdrawn" and 1 or 0 end
return record.state == "b" and withdraw(reply, record) and 1 or 0
