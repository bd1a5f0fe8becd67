-- aside.lua: keep notes of what a process found that it cannot read; its log has said so.
-- include: keys.lua
--
-- KEYS[1]  prefix
-- ARGV     1 process id, 2... pairs: where it stood, and what it is
-- writes   aside
-- returns  "done"

for at = 2, #ARGV, 2 do note_aside(ARGV[at], ARGV[at + 1], ARGV[1]) end
return "done"
