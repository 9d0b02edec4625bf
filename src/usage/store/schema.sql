-- What is often the same lies in tables of its own: a request is integers.
CREATE TABLE agent(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE connection(
  id INTEGER PRIMARY KEY, provider TEXT NOT NULL, name TEXT NOT NULL, UNIQUE(provider, name)
) STRICT;
CREATE TABLE endpoint(
  id INTEGER PRIMARY KEY, method TEXT NOT NULL, path TEXT NOT NULL, UNIQUE(method, path)
) STRICT;
-- The model 0 is none.
CREATE TABLE model(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
INSERT INTO model VALUES (0, '');

-- Times are milliseconds since 1970 UTC, money is 10^-9 US dollars. Tokens
-- are NULL where none were counted, money where it is not known. Writers are
-- random numbers of processes: each tells its own rows from those of others.
-- Ids are never given twice, so that new rows are those above the last one seen.
-- A row is one request, unless so many came at once that those of one second
-- which are alike were added up: then it is as many as it says.
CREATE TABLE request(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  writer INTEGER NOT NULL,
  agent INTEGER NOT NULL,
  connection INTEGER NOT NULL,
  endpoint INTEGER NOT NULL,
  model INTEGER NOT NULL,
  status INTEGER NOT NULL,
  took_ms INTEGER NOT NULL,
  input INTEGER, cached INTEGER, cache_write INTEGER, cache_write_long INTEGER,
  output INTEGER, reasoning INTEGER,
  nano_usd INTEGER,
  is_special INTEGER NOT NULL,
  is_cut INTEGER NOT NULL,
  requests INTEGER NOT NULL
) STRICT;
CREATE INDEX request_at ON request(at);

-- Sums of whole days that are over, where single requests are kept no longer.
CREATE TABLE day(
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  agent INTEGER NOT NULL,
  connection INTEGER NOT NULL,
  model INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  metered INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  cut INTEGER NOT NULL,
  input INTEGER NOT NULL, cached INTEGER NOT NULL, cache_write INTEGER NOT NULL,
  cache_write_long INTEGER NOT NULL, output INTEGER NOT NULL, reasoning INTEGER NOT NULL,
  nano_usd INTEGER,
  UNIQUE(at, agent, connection, model)
) STRICT;

-- Requests that were not recorded, because too many came at once.
CREATE TABLE dropped(at INTEGER NOT NULL, requests INTEGER NOT NULL) STRICT;
-- How often ids of endpoints became invalid: writers keep them in memory.
CREATE TABLE sweep(number INTEGER NOT NULL) STRICT;
INSERT INTO sweep VALUES (0);

-- For people: sqlite3 usage.db 'SELECT agent_id, service, SUM(tokens_used), ...'.
-- A day of which only sums are kept is one row for each agent, connection and
-- model, with a negative id and without an endpoint.
CREATE VIEW api_usage(id, agent_id, service, endpoint, tokens_used, cost_usd, timestamp) AS
SELECT r.id, a.name, c.provider, e.path, r.input + r.output, r.nano_usd / 1e9,
  strftime('%Y-%m-%dT%H:%M:%fZ', r.at / 1000.0, 'unixepoch')
FROM request r
JOIN agent a ON a.id = r.agent
JOIN connection c ON c.id = r.connection
LEFT JOIN endpoint e ON e.id = r.endpoint
UNION ALL
SELECT -d.id, a.name, c.provider, NULL,
  CASE WHEN d.metered > 0 THEN d.input + d.output END, d.nano_usd / 1e9,
  strftime('%Y-%m-%dT%H:%M:%fZ', d.at / 1000.0, 'unixepoch')
FROM day d
JOIN agent a ON a.id = d.agent
JOIN connection c ON c.id = d.connection;
