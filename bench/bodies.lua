-- Requests for wrk. bench/load.py sets in the environment:
--   KIND   same: always SAMPLE; spelt: SAMPLE, in each request with other white space, so that no two are the
--          same; next: rows one after another from FIRST on, at the end from 0 on; zipf: rows by Zipf's law with
--          exponent 1, row 0 the most frequent
--   ROWS   rows in a body: 1 for an object, more for an array
--   OF     how many different rows there are
--   TAILS  the last three fields with each combination of categories, a line each
--   SEED   for zipf: the same one gives the same rows
-- At the end it prints what it saw as one line of JSON.
local kind, sample = os.getenv("KIND"), os.getenv("SAMPLE")
local rows, of = tonumber(os.getenv("ROWS")), tonumber(os.getenv("OF"))
local next_row = tonumber(os.getenv("FIRST"))
math.randomseed(tonumber(os.getenv("SEED")))

-- Each of 401 rates, 110 ages and 40 combinations of categories once.
local tails, middles, heads = {}, {}, {}
for tail in os.getenv("TAILS"):gmatch("[^\n]+") do tails[#tails + 1] = tail end
for age = 18, 127 do middles[#middles + 1] = string.format('"age_in_years":%d,', age) end
for rate = 0, 400 do
  heads[#heads + 1] = string.format('{"installment_rate_in_percentage_of_disposable_income":%.2f,', rate / 100)
end
local function row(number)
  local age = math.floor(number / #tails)
  local rate = math.floor(age / #middles)
  return heads[rate % #heads + 1] .. middles[age % #middles + 1] .. tails[number % #tails + 1]
end

local function following()
  local number = next_row
  next_row = (next_row + 1) % of
  return number
end

-- Drawn from the continuous density 1/x, and accepted so that row k - 1 comes with a probability in
-- proportion to 1/k.
local log_of, accept = math.log(of + 1), math.log(2)
local function drawn()
  while true do
    local k = math.floor(math.exp(math.random() * log_of))
    if math.random() * k * math.log(1 + 1 / k) < accept then return k - 1 end
  end
end

-- Ten characters of white space for each number below 1024.
local spaces = {}
for number = 0, 1023 do
  local text = {}
  for bit = 0, 9 do text[#text + 1] = math.floor(number / 2 ^ bit) % 2 == 0 and " " or "\t" end
  spaces[number] = table.concat(text)
end

local function array(choose)
  local parts = {}
  for i = 1, rows do parts[i] = row(choose()) end
  return rows == 1 and parts[1] or "[" .. table.concat(parts, ",") .. "]"
end

local bodies = {
  spelt = function()
    next_row = next_row + 1
    return sample .. spaces[math.floor(next_row / 1024) % 1024] .. spaces[next_row % 1024]
  end,
  next = function() return array(following) end,
  zipf = function() return array(drawn) end,
}

wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.body = rows == 1 and sample or array(following)
if kind ~= "same" then
  local body, head = bodies[kind], nil
  function request()
    -- wrk.format would put the head together anew each time, which costs more than the row.
    head = head or string.format("POST %s HTTP/1.1\r\nHost: %s:%s\r\nContent-Type: application/json\r\nContent-Length: ",
                                 wrk.path, wrk.host, wrk.port)
    local text = body()
    return head .. #text .. "\r\n\r\n" .. text
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"failures":%d,"seconds":%.6f,"p50_ms":%.3f,"p99_ms":%.3f,"p999_ms":%.3f}\n',
    -- Answers with another status are among the requests.
    summary.requests - errors.status, errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3))
end
