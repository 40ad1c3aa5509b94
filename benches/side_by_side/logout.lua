-- wrk, a thread for each of the servers at PORTS: each request logs another session out, at RATE a second of each thread.
dofile(os.getenv("HERE") .. "/answers.lua")

local ffi = require("ffi")
ffi.cdef("typedef struct { long seconds; long nanoseconds; } instant; int clock_gettime(int, instant *);")

local ports, counting = {}, setup
for port in os.getenv("PORTS"):gmatch("%d+") do table.insert(ports, port) end
local number = 0

function setup(thread)
  counting(thread)
  number = number + 1
  thread.addr = wrk.lookup("127.0.0.1", ports[number])[1]
end

local function now()
  local instant = ffi.new("instant")
  ffi.C.clock_gettime(1, instant)
  return tonumber(instant.seconds) * 1000 + tonumber(instant.nanoseconds) / 1e6
end

function init()
  tokens, sent, due, rate = {}, 0, 0, tonumber(os.getenv("RATE"))
  local number = 0
  for token in io.lines(os.getenv("TOKENS")) do
    if number % #ports == part then table.insert(tokens, token) end
    number = number + 1
  end
end

-- Each request is due at its time, whatever the ones before it took.
function delay()
  began = began or now()
  due = due + 1
  return math.max(0, began + due * 1000 / rate - now())
end

function request()
  sent = sent + 1
  return wrk.format("POST", "/logout", { Authorization = "Bearer " .. (tokens[sent] or "") })
end

response = count
