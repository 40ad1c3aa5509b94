-- wrk, a thread per connection: each has its own session and presents its latest refresh token, as clients do.
dofile(os.getenv("HERE") .. "/answers.lua")

function init()
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
  count(status)
  token = body:match('"refresh_token":"([^"]+)"') or token
end
