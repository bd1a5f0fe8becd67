-- gaps.lua: tell the servers of this shard what they will not hear (a part of the other scripts).
-- Needs keys.lua, process_info.lua and outbox.lua.

-- Plan x<shard> for each server: entries of the log of that shard are missing, "<epoch>:<from>-<to>", or "?".
-- With that, all up to seq is heard.
local function plan_gap(plan, shard, of, seq, what)
  plan.heard = {"h" .. shard, of .. ":" .. string.format("%.0f", seq)}
  for _, process in ipairs(on_key("HKEYS", processes)) do
    local info = read_process_info(process)
    if info and info.kind == "server" then plan_inbox(plan, process, "x" .. shard, what) end
  end
end
