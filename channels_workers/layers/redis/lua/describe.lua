-- describe.lua: note again what a process told about itself, which is not known any more.
-- include: keys.lua
--
-- KEYS[1]  prefix
-- ARGV     1 process id, 2 what is to be known about it, as JSON
-- writes   about
-- returns  "done"

if on_key("HEXISTS", processes, ARGV[1]) == 1 then on_key("HSET", about, ARGV[1], ARGV[2]) end
return "done"
