-- commit.lua: finish one delivery. Acknowledge it, save the channel session, publish the outbox and
-- release the connection: all of it, or nothing.
-- include: keys.lua epoch.lua connection.lua join.lua delayed.lua history.lua outbox.lua
--
-- KEYS[1]  prefix
-- ARGV     1 channel, 2 entry, 3 consumer, 4 message id,
--          5 reply channel of the connection that waits for this delivery, or "", 6 its order,
--          7 reply channel of the session to save, or "", 8 that session,
--          9 "ends" if the connection ends with this, without a disconnect, or "",
--          10... operations (outbox.lua)
-- writes   channel:<channel>, session:<reply>, connections:<server>, told:<reply>, inbox:<server>,
--          ended:<server>, group:<name>, groups:<server>, delayed, delayed_messages, histories,
--          history_order, history:<group>
-- returns  "done"; "stale" (the consumer no longer holds the delivery; nothing was done);
--          "gone" (the connection has ended; the delivery was acknowledged, nothing else done);
--          "full <channel>" (nothing was done)

local channel, entry, consumer, id = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local reply, order, session_of, session = ARGV[5], tonumber(ARGV[6]), ARGV[7], ARGV[8]
local ends = ARGV[9] ~= ""

local transient = transient_error("")
if transient then return transient end
if not is_pending_for(channel, entry, consumer) then return "stale" end

local record
if reply ~= "" then
  record = read_record(reply)
  if not record or record.order ~= order or record.state == "i" then
    acknowledge(channel, entry)
    return "gone"
  end
end

local plan = new_plan()
local full = plan_outbox(plan, 10, id)
if full then return "full " .. full end
local keeps_session = session_of ~= "" and not (record and record.state == "d")
  and not (ends and session_of == reply)
  and (record and session_of == reply
    or on_key("HEXISTS", connections_key(server_of(session_of)), session_of) == 1)
if keeps_session and is_alive(plan, server_of(session_of)) then
  plan_inbox(plan, server_of(session_of), "k" .. session_of, session)
end
if record then plan_release(plan, reply, record, ends) end

acknowledge(channel, entry)
if keeps_session then redis.call("SET", session_key(session_of), session) end
write_outbox(plan)
if record then finish_order(reply, record, ends) end
return "done"
