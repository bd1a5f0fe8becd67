-- cancel_delayed.lua: delete a delayed message.
-- include: keys.lua delayed.lua
--
-- KEYS[1]  prefix
-- ARGV     1 message id
-- writes   delayed, delayed_messages
-- returns  1; 0 if no such message waits

on_key("HDEL", delayed_messages, ARGV[1])
return on_key("ZREM", delayed, ARGV[1])
