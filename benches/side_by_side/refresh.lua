-- wrk: each request presents the next refresh token of a file, and begins anew at its end. Threads share nothing: each
-- has its part of the lines. Prints how many answers were no 200.
local threads = {}

function setup(thread)
  thread:set("part", #threads)
  table.insert(threads, thread)
end

function init()
  requests, next_one, bad = {}, 0, 0
  local headers = {}
  local parts, number = tonumber(os.getenv("PARTS")), 0
  for token in io.lines(os.getenv("TOKENS")) do
    if number % parts == part then
      headers["Authorization"] = "Bearer " .. token
      requests[#requests + 1] = wrk.format("POST", "/refresh", headers)
    end
    number = number + 1
  end
end

function request()
  next_one = next_one % #requests + 1
  return requests[next_one]
end

function response(status)
  if status ~= 200 then bad = bad + 1 end
end

function done()
  local all = 0
  for _, thread in ipairs(threads) do all = all + thread:get("bad") end
  print("not 200: " .. all)
end
