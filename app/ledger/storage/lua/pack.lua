-- Packs a transaction that is over: its text and its history become one value, which the process has made.
--
-- Keys: as those of prelude.lua, which this script does without: whatever it knows, the process has read.
-- Arguments: one JSON object with id, text (the digest of the transaction as it was read), events (how many it had); then
--   the packed value, what is short for the id, its row among the packed ones; and of each of its names the key, the field
--   and the row of the index.
-- Answers: changed (since it was read, or it is not over) | packed.
local transaction, due, events, of_card, all, index, over, packed =
  KEYS[1], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[8], KEYS[9], KEYS[14]
local arg, value, short, packed_row = cjson.decode(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local most_of_a_name = 64 -- a longer field would have Redis keep its whole hash in the larger way

local stored = redis.pcall('GET', transaction)
if type(stored) ~= 'string' or redis.sha1hex(stored) ~= arg.text then return 'changed' end
if redis.call('LLEN', events) ~= arg.events then return 'changed' end
if not redis.call('ZSCORE', over, arg.id) then return 'changed' end

redis.call('SET', transaction, value)
redis.call('DEL', events)
redis.call('ZREM', over, arg.id)
redis.call('RPUSH', packed, packed_row)
for _, queue in ipairs({all, of_card}) do
  local date = redis.call('ZSCORE', queue, arg.id)
  if date then
    redis.call('ZREM', queue, arg.id)
    redis.call('ZADD', queue, date, short)
  end
end
for at = 5, #ARGV, 3 do
  local key, field, row = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local found = redis.call('HGET', key, field) or ''
  local known = false
  for start = 1, #found, #short do known = known or string.sub(found, start, start + #short - 1) == short end
  if not known and #found + #short <= most_of_a_name then
    redis.call('HSET', key, field, found .. short)
    known = true
  end
  if known then redis.call('ZREM', index, row) end
end
return 'packed'
