-- begin.lua: end the epoch if Redis was started again. Sent as text, before Redis learns any other
-- script: what a start forgets is the scripts. So the others need not ask.
-- include: keys.lua epoch.lua
--
-- KEYS[1]  prefix
-- ARGV     1 an epoch, should this one be over
-- writes   epoch, run, recovering
-- returns  nothing

if redis.call("EXISTS", epoch) == 1 and is_other_run() then
  redis.call("SET", recovering, begin_epoch(ARGV[1]))
end
