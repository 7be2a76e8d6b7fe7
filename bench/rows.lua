-- Arrays of rows, for wrk: ROWS per request, from row FIRST on. With UNIQUE=1 no row comes twice,
-- so that all are misses; else each request is the same, so that all but the first are hits.
-- ROWS=1 sends objects. After WRAP rows, if that is given, they begin again.
local rows = tonumber(os.getenv("ROWS"))
local unique = os.getenv("UNIQUE") == "1"
local next_row = tonumber(os.getenv("FIRST"))
local wrap = tonumber(os.getenv("WRAP") or "inf")

local categories = {}
for _, foreign in ipairs({"yes", "no"}) do
  for _, employment in ipairs({"unemployed", "... < 1 year", "1 <= ... < 4 years", "4 <= ... < 7 years", "... >= 7 years"}) do
    for _, status in ipairs({"male: single", "male: divorced/separated", "male: married/widowed",
                             "female: divorced/separated/married"}) do
      categories[#categories + 1] = string.format(
        '"foreign_worker":"%s","present_employment_since":"%s","personal_status_and_sex":"%s"}',
        foreign, employment, status)
    end
  end
end
local heads = {}
for rate = 0, 400 do
  heads[rate] = string.format('{"installment_rate_in_percentage_of_disposable_income":%.2f,"age_in_years":', rate / 100)
end

local function body()
  local parts = {}
  for i = next_row, next_row + rows - 1 do
    -- Each of 401 rates, 110 ages and 40 combinations of categories once.
    parts[#parts + 1] = heads[math.floor(i / 4400) % 401] .. (18 + math.floor(i / 40) % 110) .. "," .. categories[i % 40 + 1]
  end
  next_row = next_row + rows
  if next_row >= wrap then next_row = 0 end
  local text = table.concat(parts, ",")
  return rows == 1 and text or "[" .. text .. "]"
end

wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
local same = body()

function request()
  return wrk.format(nil, nil, nil, unique and body() or same)
end
