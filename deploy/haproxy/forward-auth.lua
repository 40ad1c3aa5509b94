-- Asks tokenpair about a request, for forward-auth.cfg. HAProxy has no such check of its own; this one uses its HTTP client
-- (HAProxy 2.5 and later).

-- What tokenpair reads of a request, beside its method and its address.
local asked = { "cookie", "authorization", "x-csrf-token", "accept", "accept-language", "origin",
    "access-control-request-method", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest" }
-- What a client gets of a refusal.
local refused = { "content-type", "cache-control", "location", "www-authenticate", "retry-after", "x-request-id" }

-- Returns the values of a header. HAProxy counts them from 0 or from 1.
local function values(headers, name)
    local found = {}
    for index, value in pairs(headers[name] or {}) do
        found[#found + 1] = { index, value }
    end
    table.sort(found, function(one, other) return one[1] < other[1] end)
    for index, pair in ipairs(found) do
        found[index] = pair[2]
    end
    return found
end

local function answer(txn, status, headers, body)
    local reply = txn:reply { status = status }
    for _, header in ipairs(headers) do
        reply:add_header(header[1], header[2])
    end
    reply:set_body(body)
    txn:done(reply)
end

-- http-request lua.forward_auth URL
core.register_action("forward_auth", { "http-req" }, function(txn, url)
    local sent = txn.http:req_get_headers()
    local headers = {
        ["x-forwarded-method"] = { txn.f:method() },
        ["x-forwarded-uri"] = { txn.f:pathq() },
        ["x-forwarded-host"] = values(sent, "host"),
        ["x-forwarded-for"] = { txn.f:src() },
        ["x-forwarded-proto"] = { txn.f:ssl_fc() == 1 and "https" or "http" },
    }
    for _, name in ipairs(asked) do
        local found = values(sent, name)
        if #found > 0 then
            headers[name] = found
        end
    end
    -- A client's own header is sent as it came, several values included: tokenpair decides.
    local response = core.httpclient():get { url = url, headers = headers, timeout = 5000 }
    if not response or response.status == 0 or response.status >= 500 then
        return answer(txn, 503, { { "cache-control", "no-store" }, { "retry-after", "1" } }, "")
    end
    local cookies = values(response.headers, "set-cookie")
    if response.status == 204 then
        for _, name in ipairs { "remote-user", "remote-groups", "x-auth-session" } do
            txn.http:req_set_header(name, values(response.headers, name)[1] or "")
        end
        -- An access token near its end is renewed: forward-auth.cfg adds these to the response.
        for index, cookie in ipairs(cookies) do
            txn:set_var("txn.auth_cookie_" .. index, cookie)
        end
        return
    end
    local reply = {}
    for _, name in ipairs(refused) do
        for _, value in ipairs(values(response.headers, name)) do
            reply[#reply + 1] = { name, value }
        end
    end
    for _, cookie in ipairs(cookies) do
        reply[#reply + 1] = { "set-cookie", cookie }
    end
    answer(txn, response.status, reply, response.body or "")
end, 1)
