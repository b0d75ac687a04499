-- KEYS: record, idle   -> { record, lifetime_left_ms, idle_left_ms }, or nil
local lifetime = redis.call('PTTL', KEYS[1])
local idle = redis.call('PTTL', KEYS[2])
-- -2 is absent; -1, a key that never expires, is not of our making and opens nothing
if lifetime < 0 or idle < 0 then
  return nil
end
return { redis.call('HGETALL', KEYS[1]), lifetime, idle }
