-- KEYS: record, idle   ARGV: none   -> 1, or 0 if the session is gone
-- PEXPIRE on a key that is there: a touch can lengthen a session but never create one.
local lifetime = redis.call('PTTL', KEYS[1])
if lifetime < 0 or redis.call('EXISTS', KEYS[2]) == 0 then
  return 0
end
local idle = tonumber(redis.call('HGET', KEYS[1], 'idle_ms'))
return redis.call('PEXPIRE', KEYS[2], math.min(idle, lifetime))
