-- A database that has something of everything that PostgreSQL can hold, about 25 MB, always the
-- same. Run by psql on 11 to 18; what a server lacks, or what only a superuser may make, is left out.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET synchronous_commit = off;
SET timezone = 'UTC';

SELECT current_setting('server_version_num')::int >= 120000 AS from_12,
       current_setting('server_version_num')::int >= 140000 AS from_14,
       current_setting('server_version_num')::int >= 150000 AS from_15,
       current_setting('server_version_num')::int >= 170000 AS from_17,
       current_setting('server_version_num')::int >= 180000 AS from_18,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser,
       (SELECT count(*) > 0 FROM pg_available_extensions WHERE name = 'btree_gist') AS has_btree_gist,
       (SELECT count(*) > 0 FROM pg_available_extensions WHERE name = 'autodump_fixture') AS has_fixture,
       (SELECT coalesce(bool_or('lz4' = ANY (enumvals)), false)
        FROM pg_settings WHERE name = 'default_toast_compression') AS has_lz4
\gset
DO $$ BEGIN
    PERFORM xmlparse(CONTENT '<a/>');
    PERFORM set_config('exotic.xml', 'true', false);
EXCEPTION WHEN feature_not_supported THEN
    PERFORM set_config('exotic.xml', 'false', false);
END $$;
-- Some builds ship a library that cannot be loaded.
DO $$ BEGIN
    LOAD 'postgres_fdw';
    PERFORM set_config('exotic.postgres_fdw', 'true', false);
EXCEPTION WHEN OTHERS THEN
    PERFORM set_config('exotic.postgres_fdw', 'false', false);
END $$;
SELECT current_setting('exotic.xml') AS has_xml, current_setting('exotic.postgres_fdw') AS has_postgres_fdw
\gset
\ir exotic-roles.sql

CREATE SCHEMA exotic;
CREATE SCHEMA "Other \ 'schema' ü";
CREATE SCHEMA empty_schema;
COMMENT ON SCHEMA exotic IS E'it''s all here\nsecond line; \\N';
SET search_path = exotic;

-- The same text for the same number, which does not compress: 32 bytes of text for each step.
CREATE FUNCTION noise(seed int, steps int) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT string_agg(md5(seed || ':' || k), '' ORDER BY k) FROM generate_series(1, steps) AS k $$;

\ir exotic-types.sql
\ir exotic-tables.sql
\ir exotic-code.sql
\ir exotic-access.sql
\if :from_15
\ir exotic-15.sql
\endif
\if :from_18
\ir exotic-18.sql
\endif

-- Large objects: an ordinary one, an empty one, one of 3 MB that does not compress.
SELECT lo_from_bytea(70001, convert_to(E'one\ntwo \\ three', 'UTF8')), lo_create(70002),
       lo_from_bytea(70003, decode(noise(70003, 196608), 'hex'))
\g /dev/null
COMMENT ON LARGE OBJECT 70001 IS 'a large object';
GRANT SELECT ON LARGE OBJECT 70003 TO exotic_reader;
RESET search_path;
