-- set_aside.lua: keep notes of unreadable data that a process found and logged.
-- include: keys.lua
--
-- KEYS[1]  prefix
-- ARGV     1 process id, 2... pairs: where the data stood, and the data
-- writes   aside
-- returns  "done"

for at = 2, #ARGV, 2 do note_aside(ARGV[at], ARGV[at + 1], ARGV[1]) end
return "done"
