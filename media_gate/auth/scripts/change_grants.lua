-- KEYS: record, idle   ARGV: grants   -> 1, or 0 if the session is gone
if redis.call('EXISTS', KEYS[1], KEYS[2]) < 2 then
  return 0
end
redis.call('HSET', KEYS[1], 'grants', ARGV[1])
return 1
