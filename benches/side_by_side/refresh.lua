-- wrk: each request presents the next refresh token of a file, and starts over at its end. Threads share nothing: each
-- has its part of the lines.
dofile(os.getenv("HERE") .. "/answers.lua")

function init()
  requests, next_one = {}, 0
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

response = count
