-- wrk, a thread for each connection: each has a session of its own and presents the refresh token it was handed last, as
-- clients do. Prints how many answers were no 200.
local threads = {}

function setup(thread)
  thread:set("part", #threads)
  table.insert(threads, thread)
end

function init()
  bad = 0
  local number = 0
  for line in io.lines(os.getenv("TOKENS")) do
    if number == part then token = line end
    number = number + 1
  end
end

function request()
  return wrk.format("POST", "/refresh", { Authorization = "Bearer " .. token })
end

function response(status, _, body)
  if status ~= 200 then bad = bad + 1 end
  token = body:match('"refresh_token":"([^"]+)"') or token
end

function done()
  local all = 0
  for _, thread in ipairs(threads) do all = all + thread:get("bad") end
  print("not 200: " .. all)
end
