-- Shared by the wrk scripts: numbers the threads (`part`, from 0), counts the responses other than 200 (`bad`), and prints
-- the count.
local threads = {}

function setup(thread)
  thread:set("part", #threads)
  table.insert(threads, thread)
end

bad = 0

function count(status)
  if status ~= 200 then bad = bad + 1 end
end

function done()
  local all = 0
  for _, thread in ipairs(threads) do all = all + thread:get("bad") end
  print("not 200: " .. all)
end
