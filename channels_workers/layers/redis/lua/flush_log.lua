-- flush_log.lua: delete what this shard has for the others. Its numbers go on, so nobody sees a gap.
-- include: keys.lua epoch.lua log.lua
--
-- KEYS[1]  prefix
-- reads    epoch
-- writes   log:<epoch>, logs
-- returns  "done"

local of = on_key("GET", epoch)
if of and on_key("HEXISTS", logs, of) == 1 then
  local seq = next_seq(of)
  redis.call("UNLINK", log_key(of))
  on_key("XADD", log_key(of), seq .. "-0", "f*", "", "", "")
end
return "done"
