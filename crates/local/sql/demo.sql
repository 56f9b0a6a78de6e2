-- A small shop with about 250 MB of data: what a dump has to carry in everyday life.
-- Run by psql with the variable `scale` (1 = about 250 MB).
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET synchronous_commit = off;

CREATE SCHEMA shop;
CREATE TYPE shop.order_state AS ENUM ('open', 'paid', 'sent', 'returned');
CREATE DOMAIN shop.email AS text CHECK (value LIKE '%@%');
CREATE SEQUENCE shop.invoice_number START 1000 INCREMENT 7;

CREATE TABLE shop.customer (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    email shop.email UNIQUE,
    born date,
    address jsonb,
    tags text[],
    created_at timestamptz NOT NULL
);
INSERT INTO shop.customer (name, email, born, address, tags, created_at)
SELECT 'Customer ' || n || ' Ünïcödé „' || chr(65 + n % 26) || '“',
       'c' || n || '@example.com',
       CASE WHEN n % 10 = 0 THEN NULL ELSE date '1950-01-01' + n % 20000 END,
       jsonb_build_object('street', 'Road ' || n % 977, 'zip', lpad((n % 99999)::text, 5, '0'), 'x', null),
       ARRAY['t' || n % 7, E'quote " and \\ and \t', NULL],
       timestamptz '2020-01-01 00:00Z' + n * interval '61 seconds'
FROM generate_series(1, (50000 * :scale)::int) AS n;

CREATE TABLE shop.orders (
    id bigint NOT NULL,
    customer_id bigint NOT NULL REFERENCES shop.customer,
    state shop.order_state NOT NULL,
    amount numeric(14, 4) NOT NULL,
    weight double precision,
    valid tstzrange,
    note text,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
CREATE TABLE shop.orders_2024 PARTITION OF shop.orders FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE shop.orders_2025 PARTITION OF shop.orders FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE shop.orders_rest PARTITION OF shop.orders DEFAULT;
INSERT INTO shop.orders
SELECT n,
       1 + n % (50000 * :scale)::int,
       (ARRAY['open', 'paid', 'sent', 'returned'])[1 + n % 4]::shop.order_state,
       round((n::bigint * 7919 % 1000003) / 97.0, 4),
       CASE n % 1000 WHEN 0 THEN 'NaN' WHEN 1 THEN 'Infinity' ELSE n / 3.0 END,
       tstzrange(timestamptz '2024-01-01 00:00Z' + n * interval '2 minutes', NULL),
       CASE WHEN n % 3 = 0 THEN '' WHEN n % 3 = 1 THEN NULL ELSE md5(n::text) || E'\nline two ' || n END,
       timestamptz '2024-01-01 00:00Z' + n * interval '2 minutes'
FROM generate_series(1, (700000 * :scale)::int) AS n;
CREATE INDEX orders_by_customer ON shop.orders (customer_id);

CREATE TABLE shop.document (
    id uuid PRIMARY KEY,
    body bytea NOT NULL,
    text_body text NOT NULL
);
INSERT INTO shop.document
SELECT md5('d' || n)::uuid,
       decode(string_agg(md5(n || ':' || k), ''), 'hex'),
       repeat(md5('t' || n) || E' \t tab ', 20)
FROM generate_series(1, (32000 * :scale)::int) AS n, generate_series(1, 160) AS k
GROUP BY n;

CREATE TABLE shop."odd ""name"" – ünïcode" ("a b" int, "select" text);
INSERT INTO shop."odd ""name"" – ünïcode" VALUES (1, E'\\.'), (2, NULL), (NULL, E'\\N');
CREATE TABLE shop.nothing_in_it (id int);
CREATE TABLE shop.no_columns ();
INSERT INTO shop.no_columns DEFAULT VALUES;

CREATE VIEW shop.revenue AS
SELECT customer_id, sum(amount) AS total, count(*) AS orders FROM shop.orders WHERE state <> 'returned' GROUP BY 1;
CREATE MATERIALIZED VIEW shop.by_state AS SELECT state, count(*) FROM shop.orders GROUP BY 1;
CREATE FUNCTION shop.total_of(bigint) RETURNS numeric LANGUAGE sql STABLE
    AS $$ SELECT total FROM shop.revenue WHERE customer_id = $1 $$;
COMMENT ON TABLE shop.orders IS 'all orders; don''t drop';

SELECT setval('shop.invoice_number', nextval('shop.invoice_number') + 7 * 4711);
SELECT lo_from_bytea(0, decode(string_agg(md5(k::text), ''), 'hex')) FROM generate_series(1, 200000) AS k;
