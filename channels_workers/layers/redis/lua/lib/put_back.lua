-- put_back.lua: hand a delivery back under the same message id (a part of the other scripts).
-- Needs keys.lua.

-- Move a pending entry to the end of its stream, with one field changed.
local function put_back(channel, entry, fields, name, value)
  local changed = {}
  for at = 1, #fields, 2 do
    if fields[at] ~= name then
      changed[#changed + 1] = fields[at]
      changed[#changed + 1] = fields[at + 1]
    end
  end
  changed[#changed + 1] = name
  changed[#changed + 1] = value
  local reply = field_of(fields, "reply")
  local record = reply and read_record(reply)
  acknowledge(channel, entry)
  local new_entry = on_key("XADD", stream_key(channel), "*", unpack(changed))
  if record and record.entry == entry then
    record.entry = new_entry
    write_record(reply, record)
  end
end
