-- The sample request, for wrk: one body, so that all but the first are hits.
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.body = io.open("models/credit/sample.json"):read("a")
