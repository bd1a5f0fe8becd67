-- forget.lua: delete the stream of a channel that is empty and that no worker listens to.
-- include: keys.lua empty.lua
--
-- KEYS[1]  prefix
-- ARGV     1 channel
-- writes   channel:<channel>
-- returns  1 if it is gone, 0 if it stays or was not there

return forget_empty(ARGV[1])
