-- describe.lua: publish again what a process says about itself, after that was lost.
-- include: keys.lua
--
-- KEYS[1]  prefix
-- ARGV     1 process id, 2 its info, as JSON
-- writes   process_info
-- returns  "done"

if on_key("HEXISTS", processes, ARGV[1]) == 1 then on_key("HSET", process_info, ARGV[1], ARGV[2]) end
return "done"
