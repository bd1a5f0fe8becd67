-- dead_letters.lua: make a message a dead letter (a part of the other scripts).
-- Needs keys.lua, connection.lua and outbox.lua.
--
-- dead_letters is a stream. An entry holds channel and reason, then the fields of the message.

-- The connection goes on as if a consumer had run and done nothing, or only refused it. *refusals* are
-- payloads by channel.
local function dead_letter(plan, channel, entry, fields, reason, kept, refusals)
  local reply, order = field_of(fields, "reply"), tonumber(field_of(fields, "order") or 0)
  on_key("XADD", dead_letters, "MAXLEN", "~", kept, "*",
    "channel", channel, "reason", reason, unpack(fields, 1, math.min(#fields, most_fields)))
  acknowledge(channel, entry)
  local record = reply and read_record(reply)
  if record and record.order == order and record.state ~= "i" then
    local refusal = refusals[channel]
    if refusal then plan_send(plan, reply, "", refusal, 0) end
    plan_release(plan, reply, record)
    finish_order(reply, record)
  end
end
