-- announce_flush.lua: announce a flush in the inbox of each server. A server then publishes the
-- pending messages of its connections again. The server in ARGV[1] has left its groups.
-- include: keys.lua process_info.lua
--
-- KEYS[1]  prefix
-- ARGV     1 server, or ""
-- writes   inbox:<server>
-- returns  "done"

for _, process in ipairs(on_key("HKEYS", processes)) do
  local info = read_process_info(process)
  if info and info.kind == "server" then
    on_key("XADD", inbox_key(process), "*", "f" .. ARGV[1], "")
  end
end
return "done"
