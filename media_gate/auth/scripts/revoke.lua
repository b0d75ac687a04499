-- KEYS: record, idle   -> { 1 if it lived, user }
local user = redis.call('HGET', KEYS[1], 'user')
local lived = redis.call('EXISTS', KEYS[1], KEYS[2]) == 2 and 1 or 0
redis.call('DEL', KEYS[1], KEYS[2])
return { lived, user or '' }
