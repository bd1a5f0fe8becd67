-- requeue.lua: hand a delivery back, under the same message id.
-- include: keys.lua
--
-- KEYS[1]  prefix
-- ARGV     1 channel, 2 entry, 3 consumer, 4 reply channel or "", 5 attempts to note
-- writes   channel:<channel>, connections:<server>
-- returns  "done"; "stale" (the delivery is not this consumer's any more: nothing was done)

local channel, entry, consumer, reply, attempts = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if not is_pending_for(channel, entry, consumer) then return "stale" end
local found = redis.call("XRANGE", stream_key(channel), entry, entry)
if #found == 0 then return "stale" end

local fields = {}
for at = 1, #found[1][2], 2 do
  if found[1][2][at] ~= "attempts" then
    fields[#fields + 1] = found[1][2][at]
    fields[#fields + 1] = found[1][2][at + 1]
  end
end
fields[#fields + 1] = "attempts"
fields[#fields + 1] = attempts

local record = reply ~= "" and read_record(reply)
acknowledge(channel, entry)
local again = redis.call("XADD", stream_key(channel), "*", unpack(fields))
if record and record.entry == entry then
  record.entry = again
  write_record(reply, record)
end
return "done"
