-- hears_resumes.lua: say whether a worker listens to websocket.resume, or will once there is one.
-- include: keys.lua kept.lua
--
-- KEYS[1]  prefix
-- ARGV     none
-- reads    processes, process_info
-- writes   nothing
-- returns  1 or 0

local _, is_heard = look_at_processes()
return is_heard and 1 or 0
