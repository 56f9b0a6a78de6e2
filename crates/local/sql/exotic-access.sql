-- Row-level security, grants, publications, foreign data, event triggers.
CREATE TABLE secured (id int PRIMARY KEY, owner_name text, value text);
INSERT INTO secured SELECT n, CASE WHEN n % 2 = 0 THEN 'postgres' ELSE 'else' END, 'secret ' || n FROM generate_series(1, 100) AS n;
ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON secured USING (owner_name = current_user);
CREATE POLICY "no deletes" ON secured AS RESTRICTIVE FOR DELETE TO exotic_reader, "Exotic ""writer"" ü" USING (false);
CREATE POLICY checked ON secured FOR INSERT TO PUBLIC WITH CHECK (length(value) < 100);
COMMENT ON POLICY own_rows ON secured IS 'a policy';
CREATE TABLE forced (id int);
INSERT INTO forced SELECT generate_series(1, 30);
ALTER TABLE forced ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY nobody ON forced USING (false);
CREATE TABLE forced_off (id int);
ALTER TABLE forced_off FORCE ROW LEVEL SECURITY;
CREATE POLICY not_enabled ON forced_off USING (id > 1);

GRANT USAGE ON SCHEMA exotic TO exotic_reader;
GRANT SELECT ON texts, measured, plain_view, populated TO exotic_reader;
GRANT SELECT (id, kind), UPDATE (number) ON constrained TO "Exotic ""writer"" ü";
GRANT SELECT (id), INSERT (value) ON secured TO exotic_reader WITH GRANT OPTION;
GRANT ALL ON hen TO "Exotic ""writer"" ü";
REVOKE DELETE, TRUNCATE ON hen FROM "Exotic ""writer"" ü";
GRANT SELECT ON stored TO PUBLIC;
GRANT USAGE, UPDATE ON SEQUENCE cycled TO exotic_reader;
REVOKE EXECUTE ON FUNCTION pairs(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pairs(int) TO exotic_reader;
REVOKE USAGE ON TYPE mood FROM PUBLIC;
GRANT USAGE ON DOMAIN positive TO exotic_reader;
-- Before 15 everybody may create in public, and pg_dump 15 or newer cannot tell a 14 otherwise.
\if :from_15
GRANT CREATE ON SCHEMA public TO PUBLIC;
\endif

CREATE PUBLICATION some_tables FOR TABLE texts, ONLY parent WITH (publish = 'insert, truncate');
COMMENT ON PUBLICATION some_tables IS 'a publication';
CREATE PUBLICATION no_tables;

\if :superuser
CREATE PUBLICATION "every table" FOR ALL TABLES WITH (publish = 'insert');
CREATE FOREIGN DATA WRAPPER no_handler OPTIONS (debug 'true');
CREATE SERVER nowhere TYPE 'x' VERSION '1' FOREIGN DATA WRAPPER no_handler OPTIONS (host 'no''where');
CREATE USER MAPPING FOR PUBLIC SERVER nowhere OPTIONS (name 'guest');
CREATE FOREIGN TABLE foreign_table (id int OPTIONS (column 'x') NOT NULL, value text DEFAULT 'd', CHECK (id > 0)) SERVER nowhere OPTIONS (file 'a b');
GRANT USAGE ON FOREIGN SERVER nowhere TO exotic_reader;
GRANT SELECT ON foreign_table TO exotic_reader;
CREATE TABLE foreign_parts (id int) PARTITION BY LIST (id);
CREATE TABLE foreign_parts_1 PARTITION OF foreign_parts FOR VALUES IN (1);
INSERT INTO foreign_parts VALUES (1);
CREATE FOREIGN TABLE foreign_parts_2 PARTITION OF foreign_parts FOR VALUES IN (2) SERVER nowhere;
\if :has_postgres_fdw
CREATE EXTENSION postgres_fdw SCHEMA exotic;
CREATE SERVER unreachable FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '1', dbname 'x');
CREATE FOREIGN TABLE remote (id int, value text) SERVER unreachable OPTIONS (schema_name 'a', table_name 'b');
\endif
CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
CREATE EVENT TRIGGER watch_commands ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'DROP TABLE') EXECUTE PROCEDURE watch();
CREATE EVENT TRIGGER "is off" ON sql_drop EXECUTE PROCEDURE watch();
ALTER EVENT TRIGGER "is off" DISABLE;
COMMENT ON EVENT TRIGGER watch_commands IS 'watches';
\endif

-- Last, as they change what is made after them.
ALTER DEFAULT PRIVILEGES IN SCHEMA exotic GRANT SELECT ON TABLES TO exotic_reader;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO "Exotic ""writer"" ü" WITH GRANT OPTION;
