-- The content of a database, one line per thing, the same whatever the order of rows on disk.
-- Run by psql in unaligned, tuples-only mode; two databases are equal if the lines are.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET timezone = 'UTC';
SET extra_float_digits = 3;
SET bytea_output = 'hex';

-- Rows of every table and materialised view: how many, and the sum of their 64-bit hashes.
SELECT format(
    'SELECT %L, count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM ONLY %I.%I AS t',
    'rows ' || n.nspname || '.' || c.relname, n.nspname, c.relname)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY n.nspname, c.relname
\gexec

-- Sequences and where they stand.
SELECT format('SELECT %L, last_value, is_called FROM %I.%I',
    'sequence ' || schemaname || '.' || sequencename, schemaname, sequencename)
FROM pg_sequences ORDER BY schemaname, sequencename
\gexec

-- Large objects by number and content.
SELECT 'large object ' || oid, length(lo_get(oid)), md5(lo_get(oid)) FROM pg_largeobject_metadata ORDER BY oid;

-- The schema, as the catalogue tells it.
SELECT 'column', attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull, attidentity
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE attnum > 0 AND NOT attisdropped AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY attrelid::regclass::text, attnum;
SELECT 'view', schemaname, viewname, md5(definition) FROM pg_views
WHERE schemaname !~ '^pg_' AND schemaname <> 'information_schema' ORDER BY 2, 3;
SELECT 'index', schemaname, indexname, indexdef FROM pg_indexes
WHERE schemaname !~ '^pg_' ORDER BY 2, 3;
SELECT 'constraint', conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace::regnamespace::text !~ '^pg_' AND connamespace::regnamespace::text <> 'information_schema'
ORDER BY conrelid::regclass::text, conname;
SELECT 'function', oid::regprocedure, md5(prosrc) FROM pg_proc
WHERE pronamespace::regnamespace::text !~ '^pg_' AND pronamespace::regnamespace::text <> 'information_schema'
ORDER BY oid::regprocedure::text;
SELECT 'enum', enumtypid::regtype, enumlabel FROM pg_enum ORDER BY enumtypid::regtype::text, enumsortorder;
