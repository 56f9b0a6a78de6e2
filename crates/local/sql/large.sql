-- One large table of everyday rows, all derived from their number; psql variables:
-- table (a name), mb (its wanted size on disk in MiB, correct to some per cent).
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET synchronous_commit = off;

CREATE TABLE :"table" (
    id bigint NOT NULL,
    customer int NOT NULL,
    state text NOT NULL,
    amount numeric(14, 4),
    weight double precision,
    created_at timestamptz NOT NULL,
    note text,
    payload jsonb
);
INSERT INTO :"table"
SELECT n,
       (n * 7919 % 99991)::int,
       (ARRAY['open', 'paid', 'sent', 'returned'])[1 + n % 4],
       CASE WHEN n % 20 = 0 THEN NULL ELSE round((n * 104729 % 1000003) / 97.0, 4) END,
       n / 3.0,
       timestamptz '2024-01-01 00:00Z' + n * interval '7 seconds',
       CASE n % 4 WHEN 0 THEN '' WHEN 1 THEN NULL ELSE 'Note ' || md5(n::text) || E'\n\tline two of ' || n END,
       jsonb_build_object('key', md5((n % 5000)::text), 'n', n, 'tags', jsonb_build_array('a' || n % 9, NULL))
FROM generate_series(1::bigint, (:mb * 5360)::bigint) AS n;
ALTER TABLE :"table" ADD PRIMARY KEY (id);
ANALYZE :"table";
