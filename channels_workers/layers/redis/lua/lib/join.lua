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
