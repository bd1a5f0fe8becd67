-- join.lua: make a server or an ordinary channel a member of a group, and let a channel leave (a part
-- of the other scripts). Needs keys.lua.
--
-- group:<name> maps a server to the id of the inbox entry of its last join, and "*<channel>" to ""
-- for an ordinary channel. groups:<server> is the reverse index.

local function join_server(group, server, entry)
  on_key("HSET", group_key(group), server, entry)
  on_key("SADD", groups_key(server), group)
end

local function join_channel(group, channel)
  on_key("HSET", group_key(group), "*" .. channel, "")
end

local function leave_channel(group, channel)
  on_key("HDEL", group_key(group), "*" .. channel)
end

-- Note that a kept connection, while there is one, is in a group, or not any more: its next server joins
-- it again.
local function note_kept(reply, group, is_member)
  if on_key("HEXISTS", connections_key(server_of(reply)), reply) == 0 then return end
  if is_member then on_key("HSET", kept_key(reply), "g" .. group, "")
  else on_key("HDEL", kept_key(reply), "g" .. group) end
end
