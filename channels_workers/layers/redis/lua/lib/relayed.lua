-- relayed.lua: who relays the stored sends of a database, and which are sent (a part of the other
-- scripts). Needs keys.lua.
--
-- relays maps the id of each database to the claim of its relay,
-- "<fencing token>:<holder>:<since>:<duration>". Times are in microseconds, since 1970 by the clock
-- of Redis. The token is the time at which the holder claimed the database first. relayed has
-- "<database>:<key>" for each send that was carried out and whose row may still exist.

local relays = prefix .. "relays"
local relayed = prefix .. "relayed"

-- Returns the parts of the claim, or nil without one.
local function claim_of(database)
  local fence, holder, since, lasts = string.match(
    on_key("HGET", relays, database) or "", "^(%d+):(%w+):(%d+):(%d+)$")
  if fence then return fence, holder, tonumber(since), tonumber(lasts) end
end

-- Returns a transient error if the relay must wait. A relay runs in a worker, which is registered, so
-- without an epoch Redis has lost its data: nobody is in a group until the servers register again.
local function relay_error()
  if not read_epoch() then return redis.error_reply("LOST Redis has lost its data") end
  return transient_error("")
end
