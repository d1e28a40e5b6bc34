"""The scripts that Redis runs for a `RedisStore`, one for each command.

Each happens whole or not at all. They know the fields of entries and letters; keys and arguments are given
by `Streams`, in the order that stands above each script.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "ACK",
    "BURY",
    "CLAIM",
    "COUNT",
    "EVICT",
    "GIVE",
    "KEEP",
    "LETTERS",
    "LOOK",
    "PURGE",
    "PUT",
    "READ",
    "REPLAY",
]

_COMMON: Final = """
local function named(flat)
  local fields = {}
  for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
  return fields
end
local function is_before(one, other)
  local ms, seq = one:match('(%d+)-(%d+)')
  local its_ms, its_seq = other:match('(%d+)-(%d+)')
  ms, seq, its_ms, its_seq = tonumber(ms), tonumber(seq), tonumber(its_ms), tonumber(its_seq)
  return ms < its_ms or (ms == its_ms and seq < its_seq)
end
"""

_PACKED: Final = """
local function whole(text) return (text or ''):match('^%d+$') or '0' end
local function packed(entries, deliveries)
  local heads, data = {}, {}
  for i, entry in ipairs(entries) do
    local fields = named(entry[2])
    local text = fields.data or ''
    local head = {entry[1], whole(fields.put), whole(fields.version), #text, deliveries[i] or 0}
    heads[i] = table.concat(head, ' ')
    data[i] = text
  end
  return table.concat(heads, ' '), table.concat(data)
end
"""

_IDS: Final = """
local ms, seq = 0, 0
for i = 1, 2 do
  if redis.call('EXISTS', KEYS[i]) == 1 then
    local id = named(redis.call('XINFO', 'STREAM', KEYS[i]))['last-generated-id']
    if is_before(string.format('%.0f-%.0f', ms, seq), id) then
      ms, seq = id:match('(%d+)-(%d+)')
      ms, seq = tonumber(ms), tonumber(seq)
    end
  end
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now > ms then ms, seq = now, -1 end
local function add(key, version, put, data)
  seq = seq + 1
  redis.call('XADD', key, string.format('%.0f-%.0f', ms, seq), 'version', version, 'put', put, 'data', data)
end
"""

# ARGV: version, heads, data.
PUT: Final = (
    _COMMON
    + _IDS
    + """
local at = 1
for kind, put, size in ARGV[2]:gmatch('(%d+) (%d+) (%d+)') do
  add(KEYS[tonumber(kind)], ARGV[1], put, ARGV[3]:sub(at, at + size - 1))
  at = at + size
end
return 1
"""
)

# ARGV: group, me, nobody, milliseconds of a lease, whether others are given time to come back.
# Acknowledges what is not there, because a replica refuses even that. A consumer that lives is made again.
LOOK: Final = (
    _COMMON
    + """
local function group_of(key)
  for _, flat in ipairs(redis.call('XINFO', 'GROUPS', key)) do
    local group = named(flat)
    if group.name == ARGV[1] then return group end
  end
end
local reply = {}
for _, key in ipairs(KEYS) do
  redis.call('XACK', key, ARGV[1], '0-1')
  local group = redis.call('EXISTS', key) == 1 and group_of(key)
  local is_new = not group
  if is_new then
    redis.call('XGROUP', 'CREATE', key, ARGV[1], '0', 'MKSTREAM')
    group = group_of(key)
  end
  local stream = named(redis.call('XINFO', 'STREAM', key))
  local first = stream['first-entry']
  local next = redis.call('XRANGE', key, '(' .. group['last-delivered-id'], '+', 'COUNT', 1)[1]
  local next_id = next and next[1]
  local claimable = 0
  for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', key, ARGV[1])) do
    local one = named(flat)
    local is_free = one.name == ARGV[3]
    local is_dead = one.name ~= ARGV[2] and ARGV[5] == '0' and one.idle >= tonumber(ARGV[4])
    if is_dead and one.pending == 0 and not is_free then
      redis.call('XGROUP', 'DELCONSUMER', key, ARGV[1], one.name)
    elseif is_dead or is_free then
      claimable = claimable + one.pending
      local oldest = one.pending > 0 and redis.call('XPENDING', key, ARGV[1], '-', '+', 1, one.name)[1]
      if oldest and (not next_id or is_before(oldest[1], next_id)) then
        next_id = oldest[1]
        next = redis.call('XRANGE', key, next_id, next_id)[1]
      end
    end
  end
  table.insert(reply, {
    stream.length, group.pending, claimable, stream['last-generated-id'], first and first[1] or '',
    next_id or '', next and named(next[2]).put or '', is_new and 1 or 0,
  })
end
return reply
"""
)

# ARGV: group, me, count.
READ: Final = (
    _COMMON
    + _PACKED
    + """
local found = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', ARGV[3], 'STREAMS', KEYS[1], '>')
return {packed(found and found[1][2] or {}, {})}
"""
)

# ARGV: group, me, nobody, milliseconds of a lease, whether others are given time to come back, count.
CLAIM: Final = (
    _COMMON
    + _PACKED
    + """
local entries, deliveries, room = {}, {}, tonumber(ARGV[6])
for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local one = named(flat)
  local is_free = one.name == ARGV[3]
  if is_free or (one.name ~= ARGV[2] and ARGV[5] == '0' and one.idle >= tonumber(ARGV[4])) then
    local left, idle = one.pending, is_free and 0 or tonumber(ARGV[4])
    if left > 0 and room > 0 then
      for _, item in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', room, one.name)) do
        if item[3] >= idle then
          local entry = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], idle, item[1])[1]
          if entry then
            table.insert(entries, entry)
            table.insert(deliveries, item[4])
            room = room - 1
          else
            redis.call('XACK', KEYS[1], ARGV[1], item[1])
          end
          left = left - 1
        end
      end
    end
    if left == 0 and not is_free then redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], one.name) end
  end
end
return {packed(entries, deliveries)}
"""
)

_CLAIM_ALL: Final = """
local function claim(key, consumer, ids, ...)
  for start = 1, #ids, 1000 do
    local command = {'XCLAIM', key, ARGV[1], consumer, 0}
    for i = start, math.min(start + 999, #ids) do table.insert(command, ids[i]) end
    for _, option in ipairs({...}) do table.insert(command, option) end
    redis.call(unpack(command))
  end
end
"""

# ARGV: group, me, the ids that this consumer knows it holds.
# Returns entries that are pending here without being known, the answer to a reading that was lost; and of
# the known ones those that are not: taken by another, or gone.
KEEP: Final = (
    _COMMON
    + _PACKED
    + _CLAIM_ALL
    + """
local known, kept, entries, taken, gone = {}, {}, {}, {}, {}
for id in ARGV[3]:gmatch('%S+') do known[id] = true end
for _, item in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1000000, ARGV[2])) do
  local id = item[1]
  if known[id] then
    known[id] = nil
    table.insert(kept, id)
  else
    local entry = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id)[1]
    if entry then table.insert(entries, entry) else redis.call('XACK', KEYS[1], ARGV[1], id) end
  end
end
claim(KEYS[1], ARGV[2], kept, 'JUSTID')
for id in pairs(known) do
  table.insert(redis.call('XRANGE', KEYS[1], id, id)[1] and taken or gone, id)
end
local heads, data = packed(entries, {})
return {heads, data, table.concat(taken, ' '), table.concat(gone, ' ')}
"""
)

# ARGV: group, me, nobody. A holder that lives to give an entry back was not killed by it.
GIVE: Final = (
    _COMMON
    + _CLAIM_ALL
    + """
for _, key in ipairs(KEYS) do
  local start, items = '-', {}
  repeat
    items = redis.pcall('XPENDING', key, ARGV[1], start, '+', 1000, ARGV[2])
    if items.err then break end
    local ids = {}
    for i, item in ipairs(items) do ids[i] = item[1] end
    claim(key, ARGV[3], ids, 'RETRYCOUNT', '0', 'JUSTID')
    start = '(' .. (ids[#ids] or '')
  until #items < 1000
  redis.pcall('XGROUP', 'DELCONSUMER', key, ARGV[1], ARGV[2])
end
return 1
"""
)

# ARGV: group, ids.
ACK: Final = """
local count = 0
for id in ARGV[2]:gmatch('%S+') do
  redis.call('XACK', KEYS[1], ARGV[1], id)
  count = count + redis.call('XDEL', KEYS[1], id)
end
return count
"""

# ARGV: group, count. Takes what nobody has read.
EVICT: Final = (
    _COMMON
    + _PACKED
    + """
local found = {{}, {}}
for _ = 1, ARGV[2] do
  local oldest
  for i, key in ipairs(KEYS) do
    for _, flat in ipairs(redis.call('XINFO', 'GROUPS', key)) do
      local group = named(flat)
      if group.name == ARGV[1] then
        local entry = redis.call('XRANGE', key, '(' .. group['last-delivered-id'], '+', 'COUNT', 1)[1]
        if entry and (not oldest or is_before(entry[1], oldest.entry[1])) then
          oldest = {i = i, entry = entry}
        end
      end
    end
  end
  if not oldest then break end
  redis.call('XDEL', KEYS[oldest.i], oldest.entry[1])
  table.insert(found[oldest.i], oldest.entry)
end
local reply = {}
for i = 1, 2 do
  local heads, data = packed(found[i], {})
  table.insert(reply, {heads, data})
end
return reply
"""
)

# ARGV: group, bound of the letters, dropped at, reason, detail, heads, data.
# An id of `-` is that of a record that is in no stream.
BURY: Final = """
local count, before, at = 0, redis.call('XLEN', KEYS[3]), 1
for kind, id, put, version, size in ARGV[6]:gmatch('(%d+) (%S+) (%d+) (%d+) (%d+)') do
  local key = KEYS[tonumber(kind)]
  if id == '-' or redis.call('XRANGE', key, id, id)[1] then
    redis.call('XADD', KEYS[3], 'MAXLEN', '=', ARGV[2], '*', 'kind', kind, 'version', version, 'put', put,
      'dropped', ARGV[3], 'reason', ARGV[4], 'detail', ARGV[5], 'data', ARGV[7]:sub(at, at + size - 1))
    count = count + 1
  end
  if id ~= '-' then
    redis.call('XACK', key, ARGV[1], id)
    redis.call('XDEL', key, id)
  end
  at = at + size
end
return {count, before + count - redis.call('XLEN', KEYS[3])}
"""

# ARGV: put at, ids of letters.
REPLAY: Final = (
    _COMMON
    + _IDS
    + """
local count = 0
for id in ARGV[2]:gmatch('%S+') do
  local letter = redis.call('XRANGE', KEYS[3], id, id)[1]
  if letter then
    local fields = named(letter[2])
    add(KEYS[tonumber(fields.kind)], fields.version, ARGV[1], fields.data)
    redis.call('XDEL', KEYS[3], id)
    count = count + 1
  end
end
return count
"""
)

# ARGV: ids.
PURGE: Final = """
local count = 0
for id in ARGV[1]:gmatch('%S+') do count = count + redis.call('XDEL', KEYS[1], id) end
return count
"""

# ARGV: where to begin, count. In a script, so that every release of the client leaves the reply as it is.
LETTERS: Final = "return redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])"

COUNT: Final = "return redis.call('XLEN', KEYS[1])"
