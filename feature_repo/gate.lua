-- Write one row of one entity unless the stored row is newer.
-- KEYS[1]: the entity. ARGV: event time and creation in microseconds, seconds until the key expires (0: never),
-- then what HSET gets: the event field and its bytes, the creation field and its value, features.
-- Returns 1 when written, 0 when refused.

-- Microseconds of a protobuf Timestamp: seconds are field 1, nanoseconds field 2, both variable-length integers.
local function microseconds(bytes)
    local total, place = 0, 1
    while place <= #bytes do
        local field = bytes:byte(place)
        local value, scale, byte = 0, 1, nil
        repeat
            place = place + 1
            byte = bytes:byte(place)
            value = value + (byte % 128) * scale
            scale = scale * 128
        until byte < 128
        place = place + 1
        if field == 8 then
            total = total + value * 1000000
        else
            total = total + math.floor(value / 1000)
        end
    end
    return total
end

local stored = redis.call('HMGET', KEYS[1], ARGV[4], ARGV[6])
if stored[1] then
    local before, now = microseconds(stored[1]), tonumber(ARGV[1])
    if before > now then
        return 0
    end
    if before == now and stored[2] and tonumber(stored[2]) > tonumber(ARGV[2]) then
        return 0
    end
end
redis.call('HSET', KEYS[1], unpack(ARGV, 4))
if tonumber(ARGV[3]) > 0 then
    redis.call('EXPIRE', KEYS[1], ARGV[3])
end
return 1
